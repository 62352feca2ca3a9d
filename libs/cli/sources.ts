// `rollcall source add|list|show|set|disable|enable`: the ways in which a district delivers. What proves an account is in
// source-credentials.ts.

import { stat } from "node:fs/promises";
import { resolve } from "node:path";

import { Command, InvalidArgumentError } from "commander";

import { sftpAddressFromEnv } from "../../services/ingest-sftp/config.ts";
import { isNetwork } from "../adapters/networks.ts";
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
import { isPattern } from "../adapters/schedule.ts";
import { usernameOf } from "../adapters/sftp/accounts.ts";
import { openHostKeys } from "../adapters/sftp/host-keys.ts";
import { parseSourceId } from "../domain/ids.ts";
import { knownFile } from "../domain/oneroster/entities.ts";
import { type DropSettings, parseDropSettings, type SourceChecks, type SourceKind } from "../domain/source.ts";
import { AppError } from "../errors.ts";
import { knownDistrict } from "./changes.ts";
import { answer, described, type JsonOption, withSystem } from "./command.ts";
import { withSettings } from "./setting.ts";
import { namedSource, type SourceOption, withSource } from "./source-option.ts";
import { credentialVerbs, newKeys, newPassword } from "./source-credentials.ts";
import { watchVerbs } from "./source-watch.ts";
import type { System } from "./system.ts";
import { settingsFromEnv } from "./system.ts";

const addedKinds = ["sftp", "folder"] as const;

export type SourceView = {
  readonly district: string;
  readonly source: string;
  readonly kind: SourceKind;
  readonly enabled: boolean;
  readonly settings: DropSettings;
  readonly username: string | null;
  readonly credentials: readonly CredentialView[];
};

export function sourceVerb(): Command {
  const source = new Command("source").description("the ways in which a district delivers: SFTP accounts and folders");
  described(source.command("add <district> <kind>"), {
    says: "make an SFTP account (`sftp`), or watch a folder that another server fills (`folder`)",
    example: "rollcall source add springfield sftp --address 198.51.100.7 --password",
  })
    .option("--source <id>", "its id; without it the kind")
    .option("--password", "make a password and print it, this once")
    .option("--key <file...>", "public keys that may sign in, a file of OpenSSH's form each")
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

const checks: SourceChecks = {
  isCron: isPattern,
  isNetwork,
  isFile: (name) => knownFile(name, "1.1") !== null || knownFile(name, "1.2") !== null,
};

/** @throws AppError `config.invalid` that names every fault. */
function checked(value: unknown): DropSettings {
  const parsed = parseDropSettings(value, checks);
  if (parsed.outcome === "faults")
    throw new AppError("config.invalid", { message: `reading the settings: ${parsed.faults.join("; ")}` });
  return parsed.settings;
}

type AddOptions = SourceOption & {
  readonly password?: boolean;
  readonly key?: readonly string[];
  readonly address?: readonly string[];
  readonly folder?: string;
  readonly set?: readonly string[];
};

async function add(id: string, kindText: string, options: AddOptions): Promise<void> {
  const kind = addedKinds.find((each) => each === kindText);
  if (kind === undefined) throw new InvalidArgumentError(`The kind is ${addedKinds.join(" or ")}.`);
  const sourceId = parseSourceId(options.source ?? kind);
  if (sourceId === null) throw new AppError("usage", { message: "a source id is 1 to 63 of a-z, 0-9 and -" });
  const settings = await settingsOf(kind, options);
  const keys = await newKeys(options.key ?? []);
  await withSystem(async (system) => {
    const district = await knownDistrict(system, id);
    const password = options.password === true ? await newPassword() : null;
    await system.sql.transaction(async (trx) => {
      await addSource(trx, { district, id: sourceId, kind, settings });
      for (const key of keys) await key.add(trx, { district, source: sourceId });
      await password?.add(trx, { district, source: sourceId });
    });
    const made = await view(system, await sourceOf(system.sql, district, sourceId));
    const text = [`added source ${sourceId} of ${id}`, "", ...(await letter(system, made, password?.text ?? null))];
    await answer(options, { text: text.join("\n"), json: { ...made, password: password?.text ?? null } });
  });
}

async function settingsOf(kind: (typeof addedKinds)[number], options: AddOptions): Promise<DropSettings> {
  const { folder, address } = options;
  if (kind === "folder" && folder === undefined)
    throw new AppError("usage", { message: "name the folder to watch with --folder" });
  const isForSftp = address !== undefined || options.password === true || options.key !== undefined;
  if (kind === "sftp" && folder !== undefined)
    throw new AppError("usage", { message: "--folder is for the kind folder" });
  if (kind === "folder" && isForSftp)
    throw new AppError("usage", { message: "--address, --password and --key are for the kind sftp" });
  const base = {
    ...(folder === undefined ? {} : { folder: resolve(folder) }),
    ...(address === undefined ? {} : { addresses: address }),
  };
  const settings = checked(withSettings(base, options.set ?? []));
  if (settings.folder !== null) await mustBeFolder(settings.folder);
  return settings;
}

async function mustBeFolder(path: string): Promise<void> {
  const found = await stat(path).catch(() => null);
  if (found?.isDirectory() !== true) throw new AppError("usage", { message: `there is no folder ${path}` });
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
      "",
      ...(await letter(system, shown, null)),
    ];
    await answer(options, { text: text.join("\n"), json: shown });
  });
}

async function set(id: string, settings: readonly string[], options: SourceOption): Promise<void> {
  await withSystem(async (system) => {
    const source = await namedSource(system, id, options);
    const changed = checked(withSettings(source.settings, settings));
    if (source.kind === "folder" && changed.folder === null)
      throw new AppError("usage", { message: "a source of the kind folder needs its folder" });
    if (changed.folder !== null) await mustBeFolder(changed.folder);
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
    username: kind === "sftp" ? usernameOf(district, id) : null,
    credentials: await credentialsOf(system.sql, { district, source: id }),
  };
}

/** What to send to the district (A028 to A036). */
async function letter(system: System, made: SourceView, password: string | null): Promise<readonly string[]> {
  if (made.username === null) return [];
  const { published } = sftpAddressFromEnv();
  const [host, port] = splitAddress(published);
  const { fingerprints } = await openHostKeys(settingsFromEnv().dataDir);
  const { settings } = made;
  const { timeZone } = (await districtOf(system.sql, made.district))?.policy ?? { timeZone: "UTC" };
  const from = settings.addresses.length === 0 ? "any address" : settings.addresses.join(", ");
  const window =
    settings.window === null
      ? `once all files are there and nothing has changed for ${settings.quietSeconds} seconds`
      : `at the times ${settings.window} (cron, ${timeZone})`;
  return [
    "To be sent to the district:",
    `  Protocol:      SFTP (not FTP, not FTPS)`,
    `  Host:          ${host}`,
    `  Port:          ${port ?? "22"}`,
    `  User name:     ${made.username}`,
    ...(password === null ? [] : [`  Password:      ${password}   (shown this once)`]),
    ...fingerprints.map(({ type, fingerprint }) => `  Host key:      ${type} ${fingerprint}`),
    `  Connect from:  ${from}`,
    `  Upload to:     ${settings.path}`,
    `  What:          ${whatToSend[settings.format]}`,
    `  Read:          ${window}`,
    "  Reports:       in the folder /reports, as text and JSON",
  ];
}

const whatToSend: Readonly<Record<DropSettings["format"], string>> = {
  any: "the OneRoster CSV files with their exact names, all of them each time, or one zip of them",
  files: "the OneRoster CSV files with their exact names, all of them each time",
  zip: "one zip of the OneRoster CSV files, with all of them each time",
};

function splitAddress(address: string): readonly [string, string?] {
  const found = /^(?<host>.*?)(?::(?<port>\d{1,5}))?$/u.exec(address)?.groups;
  const port = found?.["port"];
  const host = found?.["host"] ?? address;
  return port === undefined ? [host] : [host, port];
}
