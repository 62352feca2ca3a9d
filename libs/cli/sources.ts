// `rollcall source add|list|show|set|disable|enable`: the ways in which a district delivers. What proves an account is in
// source-credentials.ts.

import { Argument, Command } from "commander";

import { districtOf } from "../adapters/postgres/districts.ts";
import { credentialsOf, type CredentialView } from "../adapters/postgres/sftp-credentials.ts";
import {
  addSource,
  allSources,
  setEnabled,
  type Source,
  sourceOf,
  storeSettings,
} from "../adapters/postgres/sources.ts";
import { parseSourceId } from "../domain/ids.ts";
import { defaultPolicy } from "../domain/policy.ts";
import type { DropSettings, SourceKind } from "../domain/source.ts";
import { AppError } from "../errors.ts";
import { knownDistrict } from "./changes.ts";
import { answer, described, type JsonOption, withSystem } from "./command.ts";
import { withSettings } from "./setting.ts";
import { credentialVerbs, newKeys, newPassword } from "./source-credentials.ts";
import { type Access, accessOf, accessWarnings, letter } from "./source-letter.ts";
import { namedSource, type SourceOption, withSource } from "./source-option.ts";
import { checkedSettings } from "./source-settings.ts";
import { watchVerbs } from "./source-watch.ts";
import type { System } from "./system.ts";

const addedKinds = ["sftp", "folder"] as const;

export type SourceView = {
  readonly district: string;
  readonly source: string;
  readonly kind: SourceKind;
  readonly enabled: boolean;
  readonly settings: DropSettings;
  /** How the district reaches it; null unless it is an SFTP account. */
  readonly access: Access | null;
  readonly credentials: readonly CredentialView[];
};

export function sourceVerb(): Command {
  const source = new Command("source").description("the ways in which a district delivers: SFTP accounts and folders");
  const kind = new Argument("<kind>", "of what kind").choices(addedKinds);
  described(source.command("add").argument("<district>").addArgument(kind), {
    says: "make an SFTP account (`sftp`), or watch a folder that another server fills (`folder`)",
    example: "rollcall source add springfield sftp --address 198.51.100.7",
  })
    .option("--source <id>", "its id; without it the kind")
    .option("--password", "make a password, also where keys are given; without keys one is made anyway")
    .option("--key <file...>", "files with public keys in OpenSSH's form that may sign in")
    .option("--address <network...>", "addresses or networks from which it may sign in; without it any")
    .option("--folder <path>", "the folder to watch, for the kind `folder`")
    .option("--set <setting...>", "settings, each as path=value")
    .action(add);
  described(source.command("list [district]"), {
    says: "list the sources of a district, or of all",
    example: "rollcall source list springfield",
  }).action(list);
  withSource(source.command("show <district>"), {
    says: "show a source with its settings, and what to send to the district",
    example: "rollcall source show springfield",
  }).action(show);
  withSource(source.command("set <district> [settings...]"), {
    says: "change settings of a source, each as path=value",
    example: "rollcall source set springfield quietSeconds=120 expected='0 3 * * *'",
  }).action(set);
  withSource(source.command("disable <district>"), {
    says: "let a source deliver nothing; nothing that it delivered is deleted",
    example: "rollcall source disable springfield",
  }).action((district: string, options: SourceOption) => turn(district, options, false));
  withSource(source.command("enable <district>"), {
    says: "let a source deliver again",
    example: "rollcall source enable springfield",
  }).action((district: string, options: SourceOption) => turn(district, options, true));
  for (const verb of [...credentialVerbs(), ...watchVerbs()]) source.addCommand(verb);
  return source;
}

type AddOptions = SourceOption & {
  readonly password?: boolean;
  readonly key?: readonly string[];
  readonly address?: readonly string[];
  readonly folder?: string;
  readonly set?: readonly string[];
};

async function add(id: string, kind: (typeof addedKinds)[number], options: AddOptions): Promise<void> {
  const sourceId = parseSourceId(options.source ?? kind);
  if (sourceId === null) throw new AppError("usage", { message: "a source id is 1 to 63 of a-z, 0-9 and -" });
  const given = givenSettings(kind, options);
  const keys = await newKeys(options.key ?? []);
  const isWithPassword = kind === "sftp" && (options.password === true || keys.length === 0);
  await withSystem(async (system) => {
    const district = await knownDistrict(system, id);
    const settings = await checkedSettings(system, { district, id: sourceId, kind }, given);
    const password = isWithPassword ? await newPassword() : null;
    await system.sql.transaction(async (trx) => {
      await addSource(trx, { district, id: sourceId, kind, settings });
      for (const key of keys) await key.add(trx, { district, source: sourceId });
      await password?.add(trx, { district, source: sourceId });
    });
    const made = await view(system, await sourceOf(system.sql, district, sourceId));
    const text = [`added source ${sourceId} of ${id}`, ...(await letterLines(system, made, password?.text ?? null))];
    const warnings = accessWarnings(made.access);
    await answer(options, {
      text: text.join("\n"),
      json: { ...made, password: password?.text ?? null, warnings },
      warnings,
    });
  });
}

/** @throws AppError `usage` when an option is one of the other kind. */
function givenSettings(kind: (typeof addedKinds)[number], options: AddOptions): unknown {
  const { folder, address } = options;
  const isForSftp = address !== undefined || options.password === true || options.key !== undefined;
  if (kind === "sftp" && folder !== undefined)
    throw new AppError("usage", { message: "--folder is for the kind folder" });
  if (kind === "folder" && isForSftp)
    throw new AppError("usage", { message: "--address, --password and --key are for the kind sftp" });
  const base = {
    ...(folder === undefined ? {} : { folder }),
    ...(address === undefined ? {} : { addresses: address }),
  };
  return withSettings(base, options.set ?? []);
}

async function list(id: string | undefined, options: JsonOption): Promise<void> {
  await withSystem(async (system) => {
    const sources = await allSources(system.sql, id === undefined ? undefined : await knownDistrict(system, id));
    const text = sources.map(
      ({ district, id: source, kind, isEnabled }) =>
        `${district}\t${source}\t${kind}\t${isEnabled ? "enabled" : "disabled"}`,
    );
    const json = sources.map(({ id: source, isEnabled: enabled, district, kind }) => ({
      district,
      source,
      kind,
      enabled,
    }));
    await answer(options, { text: text.length === 0 ? "no sources yet" : text.join("\n"), json });
  });
}

async function show(id: string, options: SourceOption): Promise<void> {
  await withSystem(async (system) => {
    const shown = await view(system, await namedSource(system, id, options));
    const credentials = shown.credentials.map(
      (each) =>
        `  ${each.id}\t${each.kind}\t${each.fingerprint ?? each.label}\tlast used ${each.lastUsedAt ?? "never"}`,
    );
    const text = [
      `${shown.source} of ${id}: ${shown.kind}, ${shown.enabled ? "enabled" : "disabled"}`,
      ...credentials,
      JSON.stringify(shown.settings, null, 2),
      ...(await letterLines(system, shown, null)),
    ];
    await answer(options, { text: text.join("\n"), json: shown });
  });
}

async function set(id: string, settings: readonly string[], options: SourceOption): Promise<void> {
  await withSystem(async (system) => {
    const source = await namedSource(system, id, options);
    const changed = await checkedSettings(system, source, withSettings(source.settings, settings));
    await storeSettings(system.sql, { ...source, settings: changed });
    const json = await view(system, { ...source, settings: changed });
    await answer(options, { text: `changed source ${source.id} of ${id}`, json });
  });
}

async function turn(id: string, options: SourceOption, isEnabled: boolean): Promise<void> {
  await withSystem(async (system) => {
    const source = await namedSource(system, id, options);
    await system.sql.transaction((trx) => setEnabled(trx, { ...source, isEnabled }));
    const text = `source ${source.id} of ${id} is ${isEnabled ? "enabled" : "disabled"}`;
    await answer(options, { text, json: await view(system, { ...source, isEnabled }) });
  });
}

async function view(system: System, source: Source): Promise<SourceView> {
  const { district, id, kind, isEnabled, settings } = source;
  return {
    district,
    source: id,
    kind,
    enabled: isEnabled,
    settings,
    access: await accessOf(source),
    credentials: await credentialsOf(system.sql, { district, source: id }),
  };
}

async function letterLines(
  system: System,
  { district, access, settings }: SourceView,
  password: string | null,
): Promise<readonly string[]> {
  const { timeZone } = (await districtOf(system.sql, district))?.policy ?? defaultPolicy;
  const lines = letter({ access, settings, timeZone, password });
  return lines.length === 0 ? [] : ["", ...lines];
}
