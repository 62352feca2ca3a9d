// The districts that share with us through a partner's proxy, as it listed them last, whether or not a source reads them.
// It keeps true that a share which is listed no more is a state and no end: nothing of the district is deleted by it.
//
//   shared ◀─▶ disabled      either ─▶ gone ─▶ either, when it is listed again

import type { Knex } from "knex";

export type ShareState = "shared" | "disabled" | "gone";

export type ListedShare = {
  /** The proxy's id of the application in the district's console. */
  readonly application: string;
  /** The vendor's id of the district. */
  readonly tenant: string;
  readonly name: string;
  readonly isEnabled: boolean;
};

export type ApiShare = Omit<ListedShare, "isEnabled"> & {
  /** Host of the proxy. */
  readonly proxy: string;
  readonly state: ShareState;
  /** Epoch milliseconds: since when it is in that state, and when it was listed last. */
  readonly since: number;
  readonly seenAt: number;
  /** The state of which people were told last; null: of none. */
  readonly told: ShareState | null;
};

type Row = Omit<ApiShare, "since" | "seenAt"> & { readonly since: Date; readonly seen_at: Date };

const columns = ["proxy", "application", "tenant", "name", "state", "since", "seen_at", "told"];

/**
 * Stores what a proxy listed, all of it.
 * @returns the shares of the proxy whose state people have still to be told of.
 */
export async function storeShares(
  trx: Knex.Transaction,
  { proxy, listed, at }: { readonly proxy: string; readonly listed: readonly ListedShare[]; readonly at: number },
): Promise<readonly ApiShare[]> {
  const now = new Date(at);
  // A list that names one twice has it once here.
  const rows = [...new Map(listed.map((share) => [share.application, share])).values()].map((share) => ({
    proxy,
    application: share.application,
    tenant: share.tenant,
    name: share.name,
    state: share.isEnabled ? "shared" : "disabled",
    since: now,
    seen_at: now,
  }));
  const keptSince = "case when api_shares.state = excluded.state then api_shares.since else excluded.since end";
  for (const row of rows)
    await trx("api_shares")
      .insert(row)
      .onConflict(["proxy", "application"])
      .merge({ ...row, since: trx.raw(keptSince) });
  const applications = rows.map(({ application }) => application);
  await trx("api_shares")
    .where({ proxy })
    .whereNot({ state: "gone" })
    .whereNotIn("application", applications)
    .update({ state: "gone", since: now });
  const untold: readonly Row[] = await inOrder(trx).where({ proxy }).whereRaw("told is distinct from state");
  return untold.map(fromRow);
}

export async function sharesOf(sql: Knex): Promise<readonly ApiShare[]> {
  const rows: readonly Row[] = await inOrder(sql);
  return rows.map(fromRow);
}

/** People were told of the state that the share has. */
export async function noteShareTold(
  sql: Knex,
  { proxy, application, state }: Pick<ApiShare, "proxy" | "application" | "state">,
): Promise<void> {
  await sql("api_shares").where({ proxy, application }).update({ told: state });
}

function inOrder(sql: Knex): Knex.QueryBuilder {
  return sql("api_shares").orderBy(["proxy", "name", "application"]).select(columns);
}

function fromRow({ seen_at: seenAt, since, ...row }: Row): ApiShare {
  return { ...row, since: since.getTime(), seenAt: seenAt.getTime() };
}
