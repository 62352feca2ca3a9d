// Licenses as they are, with what was appended and not taken in yet; and who holds their seats.

import type { Knex } from "knex";

import type { License } from "../../libs/records.ts";
import { controlKey, controlTopics } from "../../libs/topics.ts";
import type { OpsContext } from "./context.ts";

export type LicenseView = Omit<License, "at"> & {
  /** Seats that are taken. */
  readonly taken: number;
};

/** Who has a seat: ids alone. `since`: ISO 8601, UTC. */
export type SeatView = {
  readonly person: string;
  readonly district: string;
  readonly sourcedIds: readonly string[];
  readonly since: string;
};

const topic = controlTopics.licenses.name;

/** A license as the table has it, and as a record has it. */
export type LicenseState = Pick<License, "product" | "orgs">;

/**
 * The newest state of a license: what is on the topic and not taken in goes before what is in the table.
 * @returns null when there is none, or it was taken away.
 */
export async function newestLicense(context: OpsContext, sql: Knex, license: string): Promise<LicenseState | null> {
  const appended = (await unread(context, sql, license)) ?? (await untaken(sql, license));
  if (appended !== null) return appended.value === null ? null : decoded(context, appended.value);
  const row: LicenseState | undefined = await sql("licenses").where({ id: license }).first("product", "orgs");
  return row ?? null;
}

type Appended = { readonly value: Uint8Array | null };

function decoded({ records }: OpsContext, value: Uint8Array): LicenseState {
  return records.decode("rollcall.control.License", Buffer.from(value));
}

/** The last record of the license that no consumer has copied; null when there is none. */
async function unread({ log }: OpsContext, sql: Knex, license: string): Promise<Appended | null> {
  const extent = await log.extent(topic);
  if (extent === null) return null;
  const { generation, start, end: to } = extent;
  const positions: readonly number[] = await sql("inbox_positions").where({ topic, generation }).pluck("next_offset");
  const from = Math.max(start, positions.length === 0 ? start : Math.min(...positions));
  const key = controlKey(license);
  let found: Appended | null = null;
  for await (const batch of log.scan({ topic, generation, from, to }))
    for (const record of batch) if (Buffer.from(record.key).toString() === key) found = { value: record.value };
  return found;
}

/** The last record of the license that was copied and waits to be taken in; null when there is none. */
async function untaken(sql: Knex, license: string): Promise<Appended | null> {
  const row: { readonly value: Buffer | null } | undefined = await sql("work")
    .where({ topic, state: "waiting", key: Buffer.from(controlKey(license)) })
    .orderBy("id", "desc")
    .first("value");
  return row ?? null;
}

/** Every license that was taken in, by id. */
export async function listLicenses(sql: Knex): Promise<readonly LicenseView[]> {
  const { rows } = await sql.raw<{ readonly rows: readonly LicenseView[] }>(
    `select id as license, product, orgs, to_char(valid_from, 'YYYY-MM-DD') as "validFrom",
       to_char(valid_to, 'YYYY-MM-DD') as "validTo", seats, (select count(*) from seats s where s.license = l.id) as taken
     from licenses l order by id`,
  );
  return rows;
}

/** Who holds seats of a license, in the order in which they came. */
export async function listSeats(sql: Knex, license: string): Promise<readonly SeatView[]> {
  const { rows } = await sql.raw<{ readonly rows: readonly (Omit<SeatView, "since"> & { readonly since: Date })[] }>(
    `select s.person, s.district, s.taken_at as since, array(
       select sourced_id from person_users u where u.person = s.person and u.district = s.district order by sourced_id
     ) as "sourcedIds" from seats s where license = ? order by place`,
    [license],
  );
  return rows.map((row) => ({ ...row, since: row.since.toISOString() }));
}
