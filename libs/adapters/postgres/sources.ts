// Sources as rows: one way of delivering each, with its settings. Those that are pulled are read by api-sources.ts; what
// holds for every kind is here: that a district has one active source, and that a deleted one is as if it were not there,
// while what it delivered stays.

import type { Knex } from "knex";

import { type DistrictId, parseDistrictId, parseSourceId, type SourceId } from "../../domain/ids.ts";
import type { ApiSettings } from "../../domain/api/settings.ts";
import {
  defaultDropSettings,
  type DropKind,
  dropKinds,
  type DropSettings,
  parseDropSettings,
  type SourceChecks,
  type SourceKind,
} from "../../domain/source.ts";
import { AppError, isAppError } from "../../errors.ts";

/** A source into which the district puts files. */
export type Source = {
  readonly district: DistrictId;
  readonly id: SourceId;
  readonly kind: DropKind;
  readonly settings: DropSettings;
  /** Epoch milliseconds. */
  readonly createdAt: number;
  readonly isEnabled: boolean;
};

type Row = {
  readonly district: string;
  readonly id: string;
  readonly kind: DropKind;
  readonly settings: unknown;
  readonly created_at: Date;
  readonly disabled_at: Date | null;
};

const columns = ["district", "id", "kind", "settings", "created_at", "disabled_at"];

/** What was checked when it was stored is not checked again. */
const trusted: SourceChecks = { isCron: () => true, isNetwork: () => true, isFile: () => true };

/** Any source, by what all kinds have. */
export type ListedSource = Pick<Source, "district" | "id" | "isEnabled"> & { readonly kind: SourceKind };

/** Those of a district, or of all, less those that were deleted. */
export async function listSources(sql: Knex, district?: DistrictId): Promise<readonly ListedSource[]> {
  const rows: readonly (Pick<Row, "district" | "id" | "disabled_at"> & { readonly kind: SourceKind })[] = await sql(
    "sources",
  )
    .where({ deleted_at: null, ...(district === undefined ? {} : { district }) })
    .orderBy(["district", "id"])
    .select("district", "id", "kind", "disabled_at");
  return rows.flatMap((row) => {
    const named = namedBy(row);
    return named === null ? [] : [{ ...named, kind: row.kind, isEnabled: row.disabled_at === null }];
  });
}

/** Of the kinds that the district puts files into. @throws AppError `source.unknown`, `config.invalid`. */
export async function sourceOf(sql: Knex, district: DistrictId, id: string): Promise<Source> {
  const row: Row | undefined = await drops(sql).where({ district, id }).first(columns);
  const named = row === undefined ? null : namedBy(row);
  if (row === undefined || named === null)
    throw new AppError("source.unknown", { message: `district ${district} has no source ${id}` });
  return whole(row, named);
}

function drops(sql: Knex): Knex.QueryBuilder {
  return sql("sources")
    .where({ deleted_at: null })
    .whereIn("kind", [...dropKinds]);
}

export type NewSource = Pick<Source, "district" | "id"> &
  (Pick<Source, "kind" | "settings"> | { readonly kind: "api"; readonly settings: ApiSettings });

/**
 * Makes a source. The other sources of its district have to be disabled: two would delete each other's rows. It may take
 * the place of one that was deleted: then its deliveries are counted on.
 * @throws AppError `source.second`; `source.exists`; `district.unknown`.
 */
export async function addSource(sql: Knex.Transaction, { district, id, kind, settings }: NewSource): Promise<void> {
  await lockDistrict(sql, district);
  await refuseSecondSource(sql, { district, id });
  const times = { created_at: sql.fn.now(), disabled_at: null, late_told_at: null, deleted_at: null };
  const added: readonly unknown[] = await sql("sources")
    .insert({ district, id, kind, settings: JSON.stringify(settings), ...times })
    .onConflict(["district", "id"])
    .merge()
    .whereNotNull("sources.deleted_at")
    .returning("id");
  // What was still said of the one that was deleted.
  if (added.length > 0) await sql("api_states").where({ district, source: id }).delete();
  if (added.length === 0) throw new AppError("source.exists", { details: { district, source: id } });
}

/** Stores settings. Of a set that was expected by another schedule nobody is told. */
export async function storeSettings(sql: Knex, source: Pick<Source, "district" | "id" | "settings">): Promise<void> {
  const { district, id, settings } = source;
  const isSame = "settings->>'expected' is not distinct from cast(? as text)";
  await sql("sources")
    .where({ district, id })
    .update({
      settings: JSON.stringify(settings),
      late_told_at: sql.raw(`case when ${isSame} then late_told_at else now() end`, [settings.expected]),
    });
}

/**
 * Enables a source, or disables it: then it delivers nothing, nobody signs in for it, and nothing of it is deleted. Of sets
 * that did not come while it was disabled nobody is told.
 */
export async function setEnabled(
  sql: Knex.Transaction,
  { district, id, isEnabled }: Pick<Source, "district" | "id" | "isEnabled">,
): Promise<void> {
  await lockDistrict(sql, district);
  if (isEnabled) await refuseSecondSource(sql, { district, id });
  await sql("sources")
    .where({ district, id, deleted_at: null })
    .update(isEnabled ? { disabled_at: null, late_told_at: sql.fn.now() } : { disabled_at: sql.fn.now() });
}

/** @throws AppError `source.second` when another source of the district is enabled. */
export async function refuseSecondSource(
  sql: Knex,
  { district, id }: { readonly district: DistrictId; readonly id: SourceId },
): Promise<void> {
  const other: { readonly id: string } | undefined = await sql("sources")
    .where({ district, disabled_at: null, deleted_at: null })
    .whereNot({ id })
    .first("id");
  if (other !== undefined)
    throw new AppError("source.second", { message: `district ${district} is delivered by its source ${other.id}` });
}

/**
 * Whoever delivers asks this first. A source that is not there yet may.
 * @throws AppError `source.second`; `source.disabled`.
 */
export async function mustDeliver(
  sql: Knex,
  source: { readonly district: DistrictId; readonly id: SourceId },
): Promise<void> {
  await refuseSecondSource(sql, source);
  const off: { readonly deleted_at: Date | null } | undefined = await sql("sources")
    .where(source)
    .whereRaw("coalesce(disabled_at, deleted_at) is not null")
    .first("deleted_at");
  if (off === undefined) return;
  const what = off.deleted_at === null ? "is disabled" : "was deleted";
  throw new AppError("source.disabled", { message: `the source ${source.id} of ${source.district} ${what}` });
}

/** Of two that add a source, the second sees what the first did. */
export async function lockDistrict(sql: Knex.Transaction, district: DistrictId): Promise<void> {
  const row: unknown = await sql("districts").where({ id: district }).forNoKeyUpdate().first("id");
  if (row === undefined) throw new AppError("district.unknown", { message: `there is no district ${district}` });
}

/** Of whoever reads the sets of a source that were taken: others take new ones meanwhile. */
export function readingLease({ district, id }: Pick<Source, "district" | "id">): string {
  return `drops.read.${district}.${id}`;
}

/**
 * Those of a district, or of all, into which files are put. One whose settings cannot be read keeps none of the others
 * away.
 * @param broken hears of it.
 */
export async function allSources(
  sql: Knex,
  district?: DistrictId,
  broken: Broken = ignore,
): Promise<readonly Source[]> {
  const rows: readonly Row[] = await drops(sql)
    .where(district === undefined ? {} : { district })
    .orderBy(["district", "id"])
    .select(columns);
  return wholeOnes(rows, whole, broken);
}

export type Broken = (source: Pick<Source, "district" | "id"> & { readonly error: AppError }) => void;
export const ignore: Broken = () => undefined;

type Named = Pick<Source, "district" | "id">;

/** Those whose settings can be read. @param broken hears of each other one. */
export function wholeOnes<Stored extends Pick<Row, "district" | "id">, T>(
  rows: readonly Stored[],
  read: (row: Stored, named: Named) => T,
  broken: Broken,
): readonly T[] {
  return rows.flatMap((row) => {
    const named = namedBy(row);
    if (named === null) return [];
    try {
      return [read(row, named)];
    } catch (error) {
      if (!isAppError(error)) throw error;
      broken({ ...named, error });
      return [];
    }
  });
}

export function namedBy(row: Pick<Row, "district" | "id">): Pick<Source, "district" | "id"> | null {
  const district = parseDistrictId(row.district);
  const id = parseSourceId(row.id);
  return district === null || id === null ? null : { district, id };
}

/** @throws AppError `config.invalid`. */
function whole(row: Row, named: Pick<Source, "district" | "id">): Source {
  const parsed = parseDropSettings(ownFields(row.settings, defaultDropSettings), trusted);
  if (parsed.outcome === "faults")
    throw new AppError("config.invalid", {
      message: `reading stored settings of a source: ${parsed.faults.join("; ")}`,
    });
  return {
    ...named,
    kind: row.kind,
    settings: parsed.settings,
    createdAt: row.created_at.getTime(),
    isEnabled: row.disabled_at === null,
  };
}

/** Another version may have stored fields that this one does not know. */
export function ownFields(settings: unknown, known: object): unknown {
  if (typeof settings !== "object" || settings === null) return settings;
  return Object.fromEntries(Object.entries(settings).filter(([field]) => Object.hasOwn(known, field)));
}
