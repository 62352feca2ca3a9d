// What a probe concludes from what it read, in sentences: what the district has to change, and what is worth a look.
// It keeps true that they hold names of fields, ids and counts, and nothing of a person.

import { envelopes, requiredCollections, type Collection } from "../domain/api/collections.ts";
import { expiryStep } from "../domain/api/expiry.ts";
import { refreshedBefore } from "../domain/api/pace.ts";
import type { ApiProfile } from "../domain/api/profile.ts";
import type { PullRecord } from "../domain/api/pulled.ts";
import { scopesFor } from "../domain/api/scopes.ts";
import type { ApiSettings } from "../domain/api/settings.ts";
import { tooOld } from "../domain/api/versions.ts";
import { entityTypes } from "../domain/oneroster/entity-types.ts";
import type { Policy } from "../domain/policy.ts";
import type { FactSink } from "./probe-facts.ts";
import type { Verdict } from "./verdict.ts";

export type Remarks = {
  /** Sentences about what does not work as it is. */
  readonly changes: readonly string[];
  /** Sentences about what may be as it is meant. */
  readonly notes: readonly string[];
};

/** Sentences, each beside whether it holds. */
type Told = readonly (readonly [boolean, () => string])[];

function said(told: Told): readonly string[] {
  return told.filter(([holds]) => holds).map(([, sentence]) => sentence());
}

export type SourceSeen = {
  readonly settings: ApiSettings;
  readonly profile: ApiProfile;
  readonly record: PullRecord;
  readonly before: PullRecord | null;
  readonly wanted: readonly Collection[];
  /** YYYY-MM-DD and HH:MM in the district's time zone. */
  readonly today: string;
  readonly time: string;
};

/** Of the connection, and of what the source shows as a whole. */
export function remarksOnSource(seen: SourceSeen): Remarks {
  const { settings, profile, record, today } = seen;
  const isOver = record.seen.sessionsEnd !== null && record.seen.sessionsEnd <= today;
  const step = expiryStep(settings.expires, today);
  const tooOldText = tooOld(profile, settings.sourceVersion);
  return {
    changes: [
      ...said([
        [step === 0, () => `The credentials have expired on ${settings.expires ?? ""}: have the connection renewed.`],
        [tooOldText !== null, () => tooOldText ?? ""],
      ]),
      ...emptiness(seen, isOver),
      ...record.missing.map(({ name, why }) => missingText(name, why)),
    ],
    notes: [
      ...said([
        [step !== null && step > 0, () => `The credentials expire on ${settings.expires ?? ""}.`],
        [profile.oldest !== null && settings.sourceVersion === null, () => versionUnknown(profile)],
        [isOver, () => `All sessions of the source have ended, the last on ${record.seen.sessionsEnd ?? ""}.`],
        [profile.features.isCurrentYearOnly, () => currentYearOnly(profile)],
        [record.causes.length > 0, () => heldText(record)],
      ]),
      ...scopeNotes(seen),
      ...cacheNotes(seen),
    ],
  };
}

function emptiness({ record, before }: SourceSeen, isOver: boolean): readonly string[] {
  return requiredCollections.flatMap((name) => {
    const items = record.collections.find((each) => each.name === name)?.items ?? 0;
    if (items > 0 || isOver) return [];
    const last = before?.collections.find((each) => each.name === name)?.items ?? 0;
    const fell = last > 0 ? ` The last delivery had ${last}.` : "";
    return [`There are no ${name}: fill them in, or let us read them.${fell}`];
  });
}

function missingText(name: Collection, why: "forbidden" | "unknown"): string {
  return why === "forbidden"
    ? `${inWords(name)} are refused: share them with us, or have them switched off here.`
    : `The source has no ${name}: have them switched off here.`;
}

function inWords(name: Collection): string {
  const [word = name] = envelopes[name];
  return word.charAt(0).toUpperCase() + word.slice(1);
}

function versionUnknown({ name, oldest }: ApiProfile): string {
  return `Which version of ${name} it is is not known here; it must be ${oldest?.version ?? ""} or newer. Set sourceVersion.`;
}

function currentYearOnly({ name }: ApiProfile): string {
  return `${name} shows students of the current school year only: at its end all of them vanish, and that is held.`;
}

function heldText({ causes }: PullRecord): string {
  return `A pull would name ${causes.join(", ")}: what is missing beside the last delivery is held, not deleted.`;
}

function scopeNotes({ settings, record, wanted }: SourceSeen): readonly string[] {
  const granted = record.seen.scopes;
  if (settings.auth !== "oauth2" || granted === null || granted.length === 0) return [];
  const asked = settings.scopes.length > 0 ? settings.scopes : scopesFor(settings.version, wanted);
  const lacking = asked.filter((scope) => !granted.includes(scope));
  return lacking.length === 0 ? [] : [`Asked for and not granted: ${lacking.join(", ")}.`];
}

/** What was changed a moment ago may not be seen yet (E087 to E092). */
function cacheNotes({ profile, time }: SourceSeen): readonly string[] {
  const [classes, users] = [refreshedBefore(profile, "classes", time), refreshedBefore(profile, "users", time)];
  if (classes === null || users === null) return [];
  return [
    `${profile.name} shows classes as of ${classes.time} ${classes.day}, and people as of ${users.time} ${users.day}. If ` +
      "something newer is missing, ask the district to refresh its cache, and pull again once that has ended.",
  ];
}

export type RowsSeen = {
  readonly policy: Policy;
  readonly facts: FactSink;
  readonly verdict: Verdict;
};

/** Of the rows, beside what the district's features need of them. */
export function remarksOnRows({ policy, facts, verdict }: RowsSeen): Remarks {
  const isRegistering = policy.features.autoRegistration !== "off";
  const email = facts.teachersWithoutEmail();
  const nces = facts.orgsWithoutNces.length;
  const unseen = policy.orgScope.filter((id) => !facts.hasOrg(id));
  const needed = said([
    [email > 0, () => `${email} of ${facts.teachers} teachers have no email address (users, email).`],
    [
      nces > 0,
      () => `${nces} schools and districts have no NCES id of 7 or 12 digits (orgs, identifier): ${firstOf(facts)}`,
    ],
  ]);
  return {
    changes: [
      ...said([
        [verdict.refusal !== null, () => `The set would be refused: ${verdict.refusal ?? ""}`],
        [unseen.length > 0, () => `orgScope names organisations that are not shown to us: ${unseen.join(", ")}.`],
        [facts.teachers === 0, () => "Nobody has the role teacher: no class can be shown to anyone."],
      ]),
      ...(isRegistering ? needed : []),
    ],
    notes: [...(isRegistering ? [] : needed), ...refusedRows(verdict), ...noIssuer(policy)],
  };
}

const orgsShown = 5;

function firstOf({ orgsWithoutNces }: FactSink): string {
  const more = orgsWithoutNces.length > orgsShown ? ", ..." : ".";
  return `${orgsWithoutNces.slice(0, orgsShown).join(", ")}${more}`;
}

function refusedRows({ types }: Verdict): readonly string[] {
  return entityTypes.flatMap((type) => {
    const { rejects, rows, derived } = types[type];
    return rejects === 0 || derived
      ? []
      : [`${rejects} of ${rows} items of type ${type} are refused; what is published of them stays.`];
  });
}

function noIssuer({ signOn }: Policy): readonly string[] {
  return signOn.issuers.length > 0
    ? []
    : ["signOn.issuers of the policy is empty: nobody can sign in and see a class yet."];
}
