// `rollcall source credentials|remove-credentials|reseal`: what we sign in with at a district's API.
// It keeps true that values come from a terminal that does not show them or from stdin, never from arguments; that they are
// never printed; and that what a district calls them, each vendor in its own way, is understood or asked about.

import { Command } from "commander";

import { removeCredentials, resealCredentials, setCredentials } from "../adapters/postgres/api-credentials.ts";
import { type ApiSource, storeApiSettings } from "../adapters/postgres/api-sources.ts";
import { editDistance } from "../adapters/oneroster/file-names.ts";
import { mustHaveKey } from "../adapters/sealed.ts";
import { fieldNamed, fieldsOf } from "../domain/api/credentials.ts";
import type { ApiProfile } from "../domain/api/profile.ts";
import type { ApiSettings } from "../domain/api/settings.ts";
import { AppError } from "../errors.ts";
import { answer, described, type JsonOption, withSystem } from "./command.ts";
import { askUnseen, type GivenField, isAtTerminal, parseFields, readStdin, shown } from "./source-api-input.ts";
import { checkedApiSettings, knownProfile } from "./source-api-settings.ts";
import { apiSourceView, missingLabels, placeOf } from "./source-api-view.ts";
import { namedApiSource, type SourceOption, withSource } from "./source-option.ts";

export function apiCredentialVerbs(): readonly Command[] {
  return [
    withSource(new Command("credentials").argument("<district>"), {
      says: "enter what we sign in with at a district's API: asked for on a terminal, or read from stdin as lines of `Label: value`",
      example: "rollcall source credentials springfield < from-the-district.txt",
    }).action(enter),
    withSource(new Command("remove-credentials").argument("<district>"), {
      says: "forget what we sign in with; nothing that came is deleted, and new credentials go on",
      example: "rollcall source remove-credentials springfield",
    }).action(forget),
    described(new Command("reseal"), {
      says: "encrypt all credentials with the first key of ROLLCALL_SECRET_KEY, after it was changed",
      example: "rollcall source reseal",
    }).action(reseal),
  ];
}

/** What was understood of it: credentials by their names in the profile, and settings that came along. */
type Entered = {
  readonly values: Readonly<Record<string, string>>;
  readonly settings: Partial<Pick<ApiSettings, "baseUrl" | "tokenUrl">>;
};

async function enter(id: string, options: SourceOption): Promise<void> {
  await withSystem(async (system) => {
    const source = await namedApiSource(system, id, options);
    const key = mustHaveKey(system.secretKey);
    const entered = await enteredFor(source);
    const changed = checkedApiSettings({ ...source.settings, ...entered.settings });
    await system.sql.transaction(async (trx) => {
      await setCredentials(trx, key, placeOf(source), entered.values);
      if (Object.keys(entered.settings).length > 0) await storeApiSettings(trx, { ...source, settings: changed });
    });
    const set = Object.keys({ ...entered.values, ...entered.settings });
    const missing = await missingLabels(system, { ...source, settings: changed });
    const view = await apiSourceView(system, { ...source, settings: changed });
    const text = [
      ...set.map((name) => `set ${labelOf(source, name)}`),
      missing.length === 0 ? `to try it:  rollcall source test ${id}` : `still missing: ${missing.join(", ")}`,
    ];
    await answer(options, { text: text.join("\n"), json: { ...view, set, missing }, warnings: view.warnings });
  });
}

function labelOf({ settings }: ApiSource, name: string): string {
  const fields = fieldsOf(knownProfile(settings.profile), settings.auth);
  return fields.find((field) => field.name === name)?.label ?? settingLabels[name] ?? name;
}

async function enteredFor(source: ApiSource): Promise<Entered> {
  const profile = knownProfile(source.settings.profile);
  const fields = fieldsOf(profile, source.settings.auth);
  if (fields.length === 0)
    throw new AppError("usage", {
      message: `${profile.name} is read with our own key, ROLLCALL_CLASSLINK_KEY: the district sends no credentials`,
    });
  if (!isAtTerminal()) return understood(parseFields(await readStdin()), { profile, settings: source.settings });
  const asked = fields.map((field) => ({
    ...field,
    label: `${field.label}${field.isRequired ? "" : ", where there is one"}`,
  }));
  const answers = await askUnseen(asked);
  if (answers.length === 0) throw new AppError("usage", { message: "nothing was entered, and nothing was set" });
  return { values: Object.fromEntries(answers.map(({ field, value }) => [field.name, value])), settings: {} };
}

const settingLabels: Readonly<Record<string, string>> = { baseUrl: "Base URL", tokenUrl: "Token URL" };

/** Districts send these with their credentials: they are settings, and no secrets. */
const settingNames: Readonly<Record<string, "baseUrl" | "tokenUrl">> = {
  baseurl: "baseUrl",
  apiurl: "baseUrl",
  url: "baseUrl",
  endpoint: "baseUrl",
  endpointurl: "baseUrl",
  onerosterurl: "baseUrl",
  onerosterbaseurl: "baseUrl",
  tokenurl: "tokenUrl",
  accesstokenurl: "tokenUrl",
  oauthtokenurl: "tokenUrl",
  tokenendpoint: "tokenUrl",
};

type For = { readonly profile: ApiProfile; readonly settings: Pick<ApiSettings, "auth"> };

/** @throws AppError `usage` that names every field that is not understood, with what was probably meant. */
export function understood(given: readonly GivenField[], about: For): Entered {
  const values: Record<string, string> = {};
  const settings: { baseUrl?: string; tokenUrl?: string } = {};
  const faults: string[] = [];
  for (const { name, value } of given) {
    const field = fieldNamed(about.profile, about.settings.auth, name);
    const setting = settingNames[plain(name)];
    const as = field?.name ?? setting;
    if (as === undefined) faults.push(unknownName(name, about));
    else if (as in values || as in settings) faults.push(`${shown(name)} says once more what was given above`);
    else if (field !== null) values[field.name] = value;
    else if (setting !== undefined) settings[setting] = value;
  }
  if (given.length === 0) faults.push("there is nothing in it");
  if (faults.length > 0) throw new AppError("usage", { message: `nothing was set: ${faults.join("; ")}` });
  return { values, settings };
}

const lettersOff = 3;

function unknownName(name: string, { profile, settings }: For): string {
  const known = fieldsOf(profile, settings.auth).flatMap(({ label, synonyms }) => [
    { label, as: plain(label) },
    ...synonyms.map((synonym) => ({ label, as: plain(synonym) })),
  ]);
  const distances = known.map(({ label, as }) => ({ label, off: editDistance(plain(name), as, lettersOff + 1) }));
  const [nearest] = distances.toSorted((a, b) => a.off - b.off);
  if (nearest !== undefined && nearest.off <= lettersOff)
    return `${shown(name)} is no field: did you mean ${nearest.label}?`;
  const labels = fieldsOf(profile, settings.auth).map(({ label }) => label);
  return `${shown(name)} is no field of ${profile.name}, which has ${labels.join(", ")}`;
}

function plain(name: string): string {
  return name.toLowerCase().replaceAll(/[^\p{L}\p{N}]/gu, "");
}

async function forget(id: string, options: SourceOption): Promise<void> {
  await withSystem(async (system) => {
    const source = await namedApiSource(system, id, options);
    const removed = await removeCredentials(system.sql, placeOf(source));
    const text =
      removed === 0
        ? `source ${source.id} of ${id} had no credentials`
        : `removed ${removed} credentials of source ${source.id} of ${id}: it is not pulled until there are new ones`;
    await answer(options, { text, json: { ...(await apiSourceView(system, source)), removed } });
  });
}

async function reseal(options: JsonOption): Promise<void> {
  await withSystem(async (system) => {
    const json = await resealCredentials(system.sql, mustHaveKey(system.secretKey));
    const left = json.unopened === 0 ? "" : `, and ${json.unopened} that no key opens: enter them again`;
    await answer(options, { text: `sealed ${json.resealed} credentials anew${left}`, json });
  });
}
