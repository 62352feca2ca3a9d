// Which source a verb is about: the one that the district has, unless it is named.

import type { Command } from "commander";

import { type ApiSource, apiSourceOf } from "../adapters/postgres/api-sources.ts";
import { type ListedSource, listSources, type Source, sourceOf } from "../adapters/postgres/sources.ts";
import { AppError } from "../errors.ts";
import { knownDistrict } from "./changes.ts";
import { described, type JsonOption } from "./command.ts";
import type { System } from "./system.ts";

export type SourceOption = JsonOption & { readonly source?: string };

/** Adds what every verb about one source has. */
export function withSource(command: Command, about: { readonly says: string; readonly example: string }): Command {
  return described(command, about).option("--source <id>", "which source; without it the one that the district has");
}

/** The source that a verb is about, of any kind. @throws AppError `source.unknown`, `usage` when it has to be named. */
export async function pickedSource(system: System, id: string, options: SourceOption): Promise<ListedSource> {
  const district = await knownDistrict(system, id);
  const all = await listSources(system.sql, district);
  if (options.source !== undefined) {
    const named = all.find((each) => each.id === options.source);
    if (named !== undefined) return named;
    throw new AppError("source.unknown", { message: `district ${id} has no source ${options.source}` });
  }
  const enabled = all.filter(({ isEnabled }) => isEnabled);
  const [one, second] = enabled.length > 0 ? enabled : all;
  if (one === undefined) throw new AppError("source.unknown", { message: `district ${id} has no source yet` });
  if (second !== undefined)
    throw new AppError("usage", { message: `name one with --source: ${all.map((each) => each.id).join(", ")}` });
  return one;
}

/** One into which the district puts files. @throws as {@link pickedSource}; `usage` when it is one that is pulled. */
export async function namedSource(system: System, id: string, options: SourceOption): Promise<Source> {
  const picked = await pickedSource(system, id, options);
  if (picked.kind === "api")
    throw new AppError("usage", {
      message: `source ${picked.id} of ${id} is pulled from an API: nobody uploads for it`,
    });
  return sourceOf(system.sql, picked.district, picked.id);
}

/** One that is pulled. @throws as {@link pickedSource}; `usage` when the district puts files into it. */
export async function namedApiSource(system: System, id: string, options: SourceOption): Promise<ApiSource> {
  const picked = await pickedSource(system, id, options);
  if (picked.kind !== "api")
    throw new AppError("usage", {
      message: `source ${picked.id} of ${id} is of the kind ${picked.kind}: it is not pulled from an API`,
    });
  return apiSourceOf(system.sql, picked.district, picked.id);
}
