// Sources that are pulled from a vendor's API, as rows of `sources`. What else is known of one: api-credentials.ts,
// api-states.ts, api-pulls.ts.

import type { Knex } from "knex";

import { generic } from "../../domain/api/profiles/generic.ts";
import { type ApiSettings, apiSettingsOf, parseApiSettings } from "../../domain/api/settings.ts";
import type { DistrictId, SourceId } from "../../domain/ids.ts";
import { AppError } from "../../errors.ts";
import { endRunning } from "./api-pulls.ts";
import { type Broken, ignore, lockDistrict, namedBy, ownFields, wholeOnes } from "./sources.ts";

export type ApiSource = {
  readonly district: DistrictId;
  readonly id: SourceId;
  readonly kind: "api";
  readonly settings: ApiSettings;
  /** Epoch milliseconds. */
  readonly createdAt: number;
  readonly isEnabled: boolean;
};

/** What credentials, states and pulls are kept under. */
export type ApiPlace = { readonly district: DistrictId; readonly source: SourceId };

type Row = {
  readonly district: string;
  readonly id: string;
  readonly settings: unknown;
  readonly created_at: Date;
  readonly disabled_at: Date | null;
};

const columns = ["district", "id", "settings", "created_at", "disabled_at"];
/** What was checked when it was stored is not checked again. */
const trusted = { isCron: () => true, isTooEarly: () => false };

/** @throws AppError `source.unknown`, `config.invalid`. */
export async function apiSourceOf(sql: Knex, district: DistrictId, id: string): Promise<ApiSource> {
  const row: Row | undefined = await pulled(sql).where({ district, id }).first(columns);
  const named = row === undefined ? null : namedBy(row);
  if (row === undefined || named === null)
    throw new AppError("source.unknown", { message: `district ${district} has no source ${id} that is pulled` });
  return whole(row, named);
}

/**
 * Those of a district, or of all, less those that were deleted. One whose settings cannot be read keeps none of the others
 * away.
 * @param broken hears of it.
 */
export async function allApiSources(
  sql: Knex,
  district?: DistrictId,
  broken: Broken = ignore,
): Promise<readonly ApiSource[]> {
  const rows: readonly Row[] = await pulled(sql)
    .where(district === undefined ? {} : { district })
    .orderBy(["district", "id"])
    .select(columns);
  return wholeOnes(rows, whole, broken);
}

/** @throws AppError `source.unknown` when it was deleted meanwhile. */
export async function storeApiSettings(
  sql: Knex,
  { district, id, settings }: Pick<ApiSource, "district" | "id" | "settings">,
): Promise<void> {
  const stored = await pulled(sql)
    .where({ district, id })
    .update({ settings: JSON.stringify(settings) });
  if (stored === 0) throw new AppError("source.unknown", { message: `district ${district} has no source ${id}` });
}

/**
 * Ends a source: its credentials are gone at once, it is pulled no more, and a pull that is under way delivers nothing. All
 * that it delivered stays published, and its pulls can still be looked at. Twice changes nothing.
 */
export async function deleteApiSource(
  trx: Knex.Transaction,
  { district, id }: Pick<ApiSource, "district" | "id">,
): Promise<void> {
  await lockDistrict(trx, district);
  // Disabled as well: whoever asks only for that is answered right.
  const times = { deleted_at: trx.fn.now(), disabled_at: trx.fn.now() };
  const deleted = await pulled(trx).where({ district, id }).update(times);
  if (deleted === 0) return;
  await endRunning(trx, { district, source: id }, { at: trx.fn.now(), reason: "the source was deleted" });
  for (const table of ["api_credentials", "api_states"]) await trx(table).where({ district, source: id }).delete();
}

function pulled(sql: Knex): Knex.QueryBuilder {
  return sql("sources").where({ kind: "api", deleted_at: null });
}

/** @throws AppError `config.invalid`. */
function whole(row: Row, named: Pick<ApiSource, "district" | "id">): ApiSource {
  const parsed = parseApiSettings(ownFields(row.settings, apiSettingsOf(generic)), trusted);
  if (parsed.outcome === "faults")
    throw new AppError("config.invalid", {
      message: `reading stored settings of a source: ${parsed.faults.join("; ")}`,
    });
  return {
    ...named,
    kind: "api",
    settings: parsed.settings,
    createdAt: row.created_at.getTime(),
    isEnabled: row.disabled_at === null,
  };
}
