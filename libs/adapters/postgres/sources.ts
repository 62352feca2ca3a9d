// Sources as rows: one way of delivering each, with its settings.

import type { Knex } from "knex";

import { type DistrictId, parseDistrictId, parseSourceId, type SourceId } from "../../domain/ids.ts";
import { type DropSettings, parseDropSettings, type SourceChecks, type SourceKind } from "../../domain/source.ts";
import { AppError } from "../../errors.ts";

export type Source = {
  readonly district: DistrictId;
  readonly id: SourceId;
  readonly kind: SourceKind;
  readonly settings: DropSettings;
  /** Epoch milliseconds. */
  readonly createdAt: number;
  readonly isEnabled: boolean;
};

type Row = {
  readonly district: string;
  readonly id: string;
  readonly kind: SourceKind;
  readonly settings: unknown;
  readonly created_at: Date;
  readonly disabled_at: Date | null;
};

const columns = ["district", "id", "kind", "settings", "created_at", "disabled_at"];

/** What was checked when it was stored is not checked again. */
const trusted: SourceChecks = { isCron: () => true, isNetwork: () => true, isFile: () => true };

/** @throws AppError `source.unknown`. */
export async function sourceOf(sql: Knex, district: DistrictId, id: string): Promise<Source> {
  const row: Row | undefined = await sql("sources").where({ district, id }).first(columns);
  const source = row === undefined ? null : whole(row);
  if (source === null) throw new AppError("source.unknown", { message: `district ${district} has no source ${id}` });
  return source;
}

/** Those of a district, or of all. */
export async function allSources(sql: Knex, district?: DistrictId): Promise<readonly Source[]> {
  const rows: readonly Row[] = await sql("sources")
    .where(district === undefined ? {} : { district })
    .orderBy(["district", "id"])
    .select(columns);
  return rows.flatMap((row) => whole(row) ?? []);
}

function whole(row: Row): Source | null {
  const district = parseDistrictId(row.district);
  const id = parseSourceId(row.id);
  if (district === null || id === null) return null;
  const parsed = parseDropSettings(row.settings, trusted);
  if (parsed.outcome === "faults")
    throw new AppError("config.invalid", {
      message: `reading stored settings of a source: ${parsed.faults.join("; ")}`,
    });
  return {
    district,
    id,
    kind: row.kind,
    settings: parsed.settings,
    createdAt: row.created_at.getTime(),
    isEnabled: row.disabled_at === null,
  };
}
