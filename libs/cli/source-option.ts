// Which source a verb is about: the one that the district has, unless it is named.

import type { Command } from "commander";

import { allSources, type Source, sourceOf } from "../adapters/postgres/sources.ts";
import { AppError } from "../errors.ts";
import { knownDistrict } from "./changes.ts";
import { described, type JsonOption } from "./command.ts";
import type { System } from "./system.ts";

export type SourceOption = JsonOption & { readonly source?: string };

/** Adds what every verb about one source has. */
export function withSource(command: Command, about: { readonly says: string; readonly example: string }): Command {
  return described(command, about).option("--source <id>", "which source; without it the one that the district has");
}

/** The source that a verb is about. @throws AppError `source.unknown`, `usage` when it has to be named. */
export async function namedSource(system: System, id: string, options: SourceOption): Promise<Source> {
  const district = await knownDistrict(system, id);
  if (options.source !== undefined) return sourceOf(system.sql, district, options.source);
  const all = await allSources(system.sql, district);
  const enabled = all.filter(({ isEnabled }) => isEnabled);
  const [one, second] = enabled.length > 0 ? enabled : all;
  if (one === undefined) throw new AppError("source.unknown", { message: `district ${id} has no source yet` });
  if (second !== undefined)
    throw new AppError("usage", { message: `name one with --source: ${all.map((each) => each.id).join(", ")}` });
  return one;
}
