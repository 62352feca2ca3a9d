// `rollcall source add|list|show|set|disable|enable`: the ways in which a district delivers. What proves an account is in
// source-credentials.ts, what concerns APIs alone in source-api*.ts.

import { Argument, Command } from "commander";

import { districtOf } from "../adapters/postgres/districts.ts";
import { credentialsOf, type CredentialView } from "../adapters/postgres/sftp-credentials.ts";
import { apiSourceOf } from "../adapters/postgres/api-sources.ts";
import {
  addSource,
  listSources,
  setEnabled,
  type Source,
  sourceOf,
  storeSettings,
} from "../adapters/postgres/sources.ts";
import { profiles } from "../domain/api/profiles.ts";
import { parseSourceId } from "../domain/ids.ts";
import { defaultPolicy } from "../domain/policy.ts";
import type { DropKind, DropSettings } from "../domain/source.ts";
import { AppError } from "../errors.ts";
import { knownDistrict } from "./changes.ts";
import { answer, described, type JsonOption, withSystem } from "./command.ts";
import { withSettings } from "./setting.ts";
import {
  addApi,
  type ApiOptions,
  apiVerbs,
  authOption,
  day,
  vendorOption,
  versionOption,
  hasApiOptions,
  setApi,
  showApi,
} from "./source-api.ts";
import { apiCredentialVerbs } from "./source-api-credentials.ts";
import { pullVerbs } from "./source-api-pull.ts";
import { testVerb } from "./source-api-test.ts";
import { apiSourceView } from "./source-api-view.ts";
import { credentialVerbs, newKeys, newPassword } from "./source-credentials.ts";
import { type Access, accessOf, accessWarnings, letter } from "./source-letter.ts";
import { namedApiSource, namedSource, pickedSource, type SourceOption, withSource } from "./source-option.ts";
import { checkedSettings } from "./source-settings.ts";
import { watchVerbs } from "./source-watch.ts";
import type { System } from "./system.ts";

const addedKinds = ["sftp", "folder", "api"] as const;
type AddedKind = (typeof addedKinds)[number];

export type SourceView = {
  readonly district: string;
  readonly source: string;
  readonly kind: DropKind;
  readonly enabled: boolean;
  readonly settings: DropSettings;
  /** How the district reaches it; null unless it is an SFTP account. */
  readonly access: Access | null;
  readonly credentials: readonly CredentialView[];
};

export function sourceVerb(): Command {
  const source = new Command("source").description(
    "the ways in which a district delivers: SFTP accounts, folders, APIs",
  );
  source.addCommand(addVerb());
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
  const others = [
    ...credentialVerbs(),
    ...watchVerbs(),
    ...apiCredentialVerbs(),
    ...apiVerbs(),
    testVerb(),
    ...pullVerbs(),
  ];
  for (const verb of others) source.addCommand(verb);
  return source;
}

function addVerb(): Command {
  const kind = new Argument("<kind>", "of what kind").choices(addedKinds);
  return described(new Command("add").argument("<district>").addArgument(kind), {
    says: "make an SFTP account (`sftp`), watch a folder that another server fills (`folder`), or pull from an API (`api`)",
    example: "rollcall source add springfield sftp --address 198.51.100.7",
  })
    .option("--source <id>", "its id; without it the kind")
    .option("--password", "make a password, also where keys are given; without keys one is made anyway")
    .option("--key <file...>", "files with public keys in OpenSSH's form that may sign in")
    .option("--address <network...>", "addresses or networks from which it may sign in; without it any")
    .option("--folder <path>", "the folder to watch, for the kind `folder`")
    .addOption(vendorOption())
    .option("--url <url>", "the API's base URL, as the district sent it")
    .addOption(versionOption())
    .addOption(authOption())
    .option("--token-url <url>", "where OAuth 2 tokens are fetched; without it as the vendor has it")
    .option("--tenant <id>", "the vendor's id of the district, for the auth `proxy`")
    .option("--expires <day>", "the day on which the credentials stop working", day)
    .option("--set <setting...>", "settings, each as path=value")
    .action(add);
}

type AddOptions = SourceOption &
  ApiOptions & {
    readonly password?: boolean;
    readonly key?: readonly string[];
    readonly address?: readonly string[];
    readonly folder?: string;
    readonly set?: readonly string[];
  };

async function add(id: string, kind: AddedKind, options: AddOptions): Promise<void> {
  const sourceId = parseSourceId(options.source ?? kind);
  if (sourceId === null) throw new AppError("usage", { message: "a source id is 1 to 63 of a-z, 0-9 and -" });
  const given = givenSettings(kind, options);
  if (kind === "api") {
    await addApi(id, sourceId, options);
    return;
  }
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
function givenSettings(kind: AddedKind, options: AddOptions): unknown {
  const { folder, address } = options;
  const isForSftp = address !== undefined || options.password === true || options.key !== undefined;
  if (kind !== "folder" && folder !== undefined)
    throw new AppError("usage", { message: "--folder is for the kind folder" });
  if (kind !== "api" && hasApiOptions(options))
    throw new AppError("usage", { message: "--vendor, --url and what belongs to them are for the kind api" });
  if (kind === "api" && options.vendor === undefined)
    throw new AppError("usage", { message: `--vendor is needed: ${profiles.map((each) => each.id).join(", ")}` });
  if (kind !== "sftp" && isForSftp)
    throw new AppError("usage", { message: "--address, --password and --key are for the kind sftp" });
  const base = {
    ...(folder === undefined ? {} : { folder }),
    ...(address === undefined ? {} : { addresses: address }),
  };
  return withSettings(base, options.set ?? []);
}

async function list(id: string | undefined, options: JsonOption): Promise<void> {
  await withSystem(async (system) => {
    const sources = await listSources(system.sql, id === undefined ? undefined : await knownDistrict(system, id));
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
    if ((await pickedSource(system, id, options)).kind === "api") {
      await showApi(system, await namedApiSource(system, id, options), options);
      return;
    }
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
    if ((await pickedSource(system, id, options)).kind === "api") {
      await setApi(system, await namedApiSource(system, id, options), { settings, options });
      return;
    }
    const source = await namedSource(system, id, options);
    const changed = await checkedSettings(system, source, withSettings(source.settings, settings));
    await storeSettings(system.sql, { ...source, settings: changed });
    const json = await view(system, { ...source, settings: changed });
    await answer(options, { text: `changed source ${source.id} of ${id}`, json });
  });
}

async function turn(id: string, options: SourceOption, isEnabled: boolean): Promise<void> {
  await withSystem(async (system) => {
    const { district, id: source, kind } = await pickedSource(system, id, options);
    await system.sql.transaction((trx) => setEnabled(trx, { district, id: source, isEnabled }));
    const json =
      kind === "api"
        ? await apiSourceView(system, await apiSourceOf(system.sql, district, source))
        : await view(system, await sourceOf(system.sql, district, source));
    await answer(options, { text: `source ${source} of ${id} is ${isEnabled ? "enabled" : "disabled"}`, json });
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
