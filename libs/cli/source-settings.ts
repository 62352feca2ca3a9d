// The settings of a source as a command gives them: whole, valid, and such as its kind can have.
// It keeps true that a folder is watched for one source alone: two would read each other's sets.

import { realpath, stat } from "node:fs/promises";
import { resolve, sep } from "node:path";

import { isNetwork } from "../adapters/networks.ts";
import { allSources, type Source } from "../adapters/postgres/sources.ts";
import { isPattern } from "../adapters/schedule.ts";
import { knownFile } from "../domain/oneroster/entities.ts";
import { type DropSettings, parseDropSettings, type SourceChecks } from "../domain/source.ts";
import { AppError } from "../errors.ts";
import type { System } from "./system.ts";
import { settingsFromEnv } from "./system.ts";

const checks: SourceChecks = {
  isCron: isPattern,
  isNetwork,
  isFile: (name) => knownFile(name, "1.1") !== null || knownFile(name, "1.2") !== null,
};

/** @throws AppError `config.invalid` that names every fault; `usage` when the folder is not there or not its own. */
export async function checkedSettings(
  system: System,
  source: Pick<Source, "district" | "id" | "kind">,
  value: unknown,
): Promise<DropSettings> {
  const parsed = parseDropSettings(value, checks);
  const faults = parsed.outcome === "faults" ? parsed.faults : misfits(source.kind, parsed.settings);
  if (parsed.outcome === "faults" || faults.length > 0)
    throw new AppError("config.invalid", { message: `reading the settings: ${faults.join("; ")}` });
  const { settings } = parsed;
  if (settings.folder === null) return settings;
  const folder = await realFolder(settings.folder);
  await mustBeItsOwn(system, source, folder);
  return { ...settings, folder };
}

function misfits(kind: Source["kind"], { folder, readOnly, addresses }: DropSettings): readonly string[] {
  if (kind === "folder") {
    if (folder === null) return ["folder must name the folder to watch"];
    return addresses.length === 0 ? [] : ["addresses is for the kind sftp"];
  }
  return folder === null && !readOnly ? [] : ["folder and readOnly are for the kind folder"];
}

async function realFolder(path: string): Promise<string> {
  const found = await stat(path).catch(() => null);
  if (found?.isDirectory() !== true) throw new AppError("usage", { message: `there is no folder ${resolve(path)}` });
  return realpath(path);
}

async function mustBeItsOwn(
  system: System,
  { district, id }: Pick<Source, "district" | "id">,
  folder: string,
): Promise<void> {
  const dataDir = await realpath(settingsFromEnv().dataDir).catch(() => null);
  if (dataDir !== null && overlap(dataDir, folder))
    throw new AppError("usage", { message: `the folder ${folder} and the data folder ${dataDir} lie in one another` });
  const other = (await allSources(system.sql)).find(
    (each) =>
      each.settings.folder !== null &&
      overlap(each.settings.folder, folder) &&
      !(each.district === district && each.id === id),
  );
  if (other !== undefined)
    throw new AppError("usage", {
      message: `the folder ${folder} overlaps with that of source ${other.id} of ${other.district}`,
    });
}

function overlap(one: string, other: string): boolean {
  const [first, second] = [`${one}${sep}`, `${other}${sep}`];
  return first.startsWith(second) || second.startsWith(first);
}
