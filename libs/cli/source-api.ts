// `rollcall source add <district> api`, and what the verbs about sources do with one that is pulled; `letter`, `renew` and
// `delete`.
// It keeps true that nothing that is done to a connection deletes what came over it.

import { Command, InvalidArgumentError, Option } from "commander";

import { type ApiSource, apiSourceOf, deleteApiSource, storeApiSettings } from "../adapters/postgres/api-sources.ts";
import { addSource } from "../adapters/postgres/sources.ts";
import { fieldsOf } from "../domain/api/credentials.ts";
import { expiryFrom } from "../domain/api/expiry.ts";
import { type AuthKind, authKinds } from "../domain/api/profile.ts";
import { profiles } from "../domain/api/profiles.ts";
import { type ApiSettings, apiSettingsOf } from "../domain/api/settings.ts";
import { isDate, localDate } from "../domain/dates.ts";
import type { SourceId } from "../domain/ids.ts";
import type { Version } from "../domain/oneroster/enumerations.ts";
import { AppError } from "../errors.ts";
import { knownDistrict } from "./changes.ts";
import { answer, described, exitCodes, type JsonOption, withSystem } from "./command.ts";
import { withSettings } from "./setting.ts";
import { apiLetter } from "./source-api-letter.ts";
import { checkedApiSettings, knownProfile } from "./source-api-settings.ts";
import { apiSourceView, letterLines, missingLabels, policyOf, shownText } from "./source-api-view.ts";
import { namedApiSource, type SourceOption, withSource } from "./source-option.ts";
import type { System } from "./system.ts";

/** What `source add` takes for an API alone. */
export type ApiOptions = {
  readonly vendor?: string;
  readonly url?: string;
  readonly oneroster?: string;
  readonly auth?: string;
  readonly tokenUrl?: string;
  readonly tenant?: string;
  readonly expires?: string;
};

export function apiVerbs(): readonly Command[] {
  return [
    described(new Command("letter").argument("<district>"), {
      says: "what a district has to do in its vendor's console and to send us, before there is a source",
      example: "rollcall source letter springfield --vendor infinite-campus",
    })
      .addOption(vendorOption().makeOptionMandatory())
      .addOption(versionOption())
      .addOption(authOption())
      .action(letter),
    withSource(new Command("renew").argument("<district>"), {
      says: "say that the district renewed its connection, and until when it holds",
      example: "rollcall source renew springfield --expires 2027-11-25",
    })
      .option("--expires <day>", "the day on which it ends; without it a year from today, or as the vendor has it", day)
      .action(renew),
    withSource(new Command("delete").argument("<district>"), {
      says: "end a source that is pulled, with its credentials; nothing that it delivered is deleted",
      example: "rollcall source delete springfield --yes",
    })
      .option("--yes", "needed: the credentials are gone then, and the connection has to be set up anew")
      .action(remove),
  ];
}

export function vendorOption(): Option {
  return new Option("--vendor <profile>", "whose API it is").choices(profiles.map(({ id }) => id));
}

export function versionOption(): Option {
  return new Option("--oneroster <version>", "the version of the standard; without it the vendor's best").choices([
    "1.1",
    "1.2",
  ]);
}

export function authOption(): Option {
  return new Option("--auth <kind>", "how to sign in; without it the vendor's best").choices(authKinds);
}

async function letter(
  id: string,
  options: JsonOption & { readonly vendor: string; readonly oneroster?: Version; readonly auth?: AuthKind },
): Promise<void> {
  const profile = knownProfile(options.vendor);
  const version = options.oneroster ?? profile.versions[0] ?? "1.1";
  const auths = profile.auths[version];
  const auth = options.auth ?? auths[0];
  if (auth === undefined || !auths.includes(auth))
    throw new AppError("usage", {
      message: `${profile.name} has for OneRoster ${version}: ${auths.join(", ") || "nothing"}`,
    });
  await withSystem(async (system) => {
    const { timeZone } = await policyOf(system, { district: await knownDistrict(system, id) });
    const lines = apiLetter({ settings: { ...apiSettingsOf(profile), version, auth }, profile, timeZone });
    const send = fieldsOf(profile, auth).map(({ name, label, isRequired: required }) => ({ name, label, required }));
    await answer(options, { text: lines.join("\n"), json: { vendor: profile.id, version, auth, send, letter: lines } });
  });
}

export function day(text: string): string {
  if (!isDate(text)) throw new InvalidArgumentError("It must be a day such as 2027-11-25.");
  return text;
}

/** Whether any of the options was given. */
export function hasApiOptions(options: ApiOptions): boolean {
  const { vendor, url, oneroster, auth, tokenUrl, tenant, expires } = options;
  return [vendor, url, oneroster, auth, tokenUrl, tenant, expires].some((each) => each !== undefined);
}

export async function addApi(
  id: string,
  source: SourceId,
  options: SourceOption & ApiOptions & { readonly set?: readonly string[] },
): Promise<void> {
  const settings = checkedApiSettings(withSettings(givenSettings(options), options.set ?? []));
  await withSystem(async (system) => {
    const district = await knownDistrict(system, id);
    await system.sql.transaction((trx) => addSource(trx, { district, id: source, kind: "api", settings }));
    const made = await apiSourceOf(system.sql, district, source);
    const json = await apiSourceView(system, made);
    const text = [
      `added source ${source} of ${id}`,
      ...(await letterLines(system, made)),
      "",
      ...(await nextSteps(system, made)),
    ];
    await answer(options, { text: text.join("\n"), json, warnings: json.warnings });
  });
}

function givenSettings(options: ApiOptions): unknown {
  const { vendor, url, oneroster, auth, tokenUrl, tenant, expires } = options;
  const given = { profile: vendor, baseUrl: url, version: oneroster, auth, tokenUrl, tenant, expires };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

async function nextSteps(system: System, source: ApiSource): Promise<readonly string[]> {
  const missing = await missingLabels(system, source);
  const { district } = source;
  return [
    ...(missing.length === 0
      ? []
      : [`When it came:  rollcall source credentials ${district}   (${missing.join(", ")})`]),
    `Then try it:   rollcall source test ${district}`,
  ];
}

export async function showApi(system: System, source: ApiSource, options: SourceOption): Promise<void> {
  const json = await apiSourceView(system, source);
  const text = [...shownText(json), ...(await letterLines(system, source))];
  await answer(options, { text: text.join("\n"), json, warnings: json.warnings });
}

export async function setApi(
  system: System,
  source: ApiSource,
  { settings, options }: { readonly settings: readonly string[]; readonly options: SourceOption },
): Promise<void> {
  const changed = checkedApiSettings(withSettings(source.settings, settings));
  await storeChanged(system, source, { settings: changed, options, text: "changed" });
}

async function storeChanged(
  system: System,
  source: ApiSource,
  change: { readonly settings: ApiSettings; readonly options: SourceOption; readonly text: "changed" | "renewed" },
): Promise<void> {
  const { settings, options, text } = change;
  await storeApiSettings(system.sql, { ...source, settings });
  const json = await apiSourceView(system, { ...source, settings });
  const until = text === "renewed" ? ` until ${settings.expires ?? "no day that is known"}` : "";
  await answer(options, {
    text: `${text} source ${source.id} of ${source.district}${until}`,
    json,
    warnings: json.warnings,
  });
}

async function renew(id: string, options: SourceOption & { readonly expires?: string }): Promise<void> {
  await withSystem(async (system) => {
    const source = await namedApiSource(system, id, options);
    const { settings } = source;
    const today = localDate(system.clock.now(), (await policyOf(system, source)).timeZone);
    const expires =
      options.expires ?? expiryFrom(knownProfile(settings.profile), settings.auth, today) ?? yearAfter(today);
    await storeChanged(system, source, { settings: { ...settings, expires }, options, text: "renewed" });
  });
}

/** 29 February has no next year: then it is the day after. */
function yearAfter(today: string): string {
  const next = `${Number(today.slice(0, 4)) + 1}${today.slice(4)}`;
  return isDate(next) ? next : `${next.slice(0, 5)}03-01`;
}

async function remove(id: string, options: SourceOption & { readonly yes?: boolean }): Promise<void> {
  await withSystem(async (system) => {
    const source = await namedApiSource(system, id, options);
    const about = { district: source.district, source: source.id };
    if (options.yes !== true) {
      const reason =
        `the credentials of ${source.id} are deleted with it, and the connection has to be set up anew; nothing that it ` +
        "delivered is deleted: what is published stays, and the next source is compared with it; add --yes if that is meant";
      await answer(options, {
        text: `refused: ${reason}`,
        json: { ...about, outcome: "refused", reason },
        exitCode: exitCodes.refused,
      });
      return;
    }
    await system.sql.transaction((trx) => deleteApiSource(trx, source));
    await answer(options, {
      text: `deleted source ${source.id} of ${id} with its credentials; nothing that it delivered was deleted`,
      json: { ...about, outcome: "done", reason: null },
    });
  });
}
