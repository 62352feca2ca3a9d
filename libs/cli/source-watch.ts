// `rollcall source waiting|audit`: what lies in a source's folder and why it is not read yet, and who signed in.

import { Command, InvalidArgumentError } from "commander";

import { districtOf } from "../adapters/postgres/districts.ts";
import { auditOf, type AuditView } from "../adapters/postgres/sftp-credentials.ts";
import type { Source } from "../adapters/postgres/sources.ts";
import { nextMoment } from "../adapters/schedule.ts";
import { type Waiting, waitingText } from "../domain/drop.ts";
import { defaultPolicy } from "../domain/policy.ts";
import { knownDistrict } from "./changes.ts";
import { answer, described, type JsonOption, withSystem } from "./command.ts";
import { namedSource, type SourceOption, withSource } from "./source-option.ts";
import type { System } from "./system.ts";

const shown = 50;

export function watchVerbs(): readonly Command[] {
  return [
    withSource(new Command("waiting").argument("<district>"), {
      says: "what lies in a source's folder and is not read yet, and what is missing",
      example: "rollcall source waiting springfield",
    }).action(waiting),
    described(new Command("audit").argument("[district]"), {
      says: "the newest logins, refusals, uploads, renames and deletes: of a district's SFTP accounts, or of all",
      example: "rollcall source audit springfield --limit 10",
    })
      .option("--limit <n>", "how many", count, shown)
      .action(audit),
  ];
}

function count(text: string): number {
  if (!/^[1-9][0-9]{0,4}$/u.test(text)) throw new InvalidArgumentError("It must be a whole number.");
  return Number(text);
}

async function waiting(id: string, options: SourceOption): Promise<void> {
  await withSystem(async (system) => {
    const source = await namedSource(system, id, options);
    const district = await districtOf(system.sql, source.district);
    const wait = await waitOf(system, source);
    const sets = await takenSets(system, source, (district?.policy ?? defaultPolicy).timeZone);
    const parts = [
      ...(wait === null ? [] : [waitingText(wait, { district: district?.name ?? id, since: wait.since })]),
      ...sets.map(
        ({ completeAt, readAt }) =>
          `complete since ${completeAt}, ${readAt === null ? "about to be read" : `read from ${readAt} on`}`,
      ),
    ];
    const text = parts.length === 0 ? `nothing waits in ${source.id} of ${id}` : parts.join("\n");
    await answer(options, { text, json: { waiting: wait, sets } });
  });
}

async function waitOf(
  { sql }: System,
  { district, id: source }: Source,
): Promise<(Waiting & { readonly since: string }) | null> {
  const row: { readonly state: Waiting; readonly since: Date } | undefined = await sql("drop_waits")
    .where({ district, source })
    .first("state", "since");
  return row === undefined ? null : { since: row.since.toISOString(), ...row.state };
}

/** A whole set that was put aside, and is not read yet. Times are ISO 8601, UTC. */
type TakenSet = {
  readonly completeAt: string;
  /** When the source's window lets it be read; null without a window. */
  readonly readAt: string | null;
};

async function takenSets(
  { sql }: System,
  { district, id: source, settings }: Source,
  timeZone: string,
): Promise<readonly TakenSet[]> {
  const rows: readonly Date[] = await sql("drop_sets")
    .where({ district, source, state: "taken" })
    .orderBy("complete_at")
    .pluck("complete_at");
  const { window: pattern } = settings;
  return rows.map((at) => {
    const readAt = pattern === null ? null : nextMoment({ pattern, timeZone }, at.getTime());
    return { completeAt: at.toISOString(), readAt: readAt === null ? null : new Date(readAt).toISOString() };
  });
}

async function audit(id: string | undefined, options: JsonOption & { readonly limit: number }): Promise<void> {
  await withSystem(async (system) => {
    const events = await auditOf(system.sql, {
      district: id === undefined ? null : await knownDistrict(system, id),
      limit: options.limit,
    });
    await answer(options, { text: events.length === 0 ? "nothing yet" : events.map(line).join("\n"), json: events });
  });
}

function line({ at, district, source, event, address, path, formerPath, bytes, reason }: AuditView): string {
  const file = path === null ? "" : formerPath === null ? path : `${formerPath} to ${path}`;
  const size = bytes === null ? "" : `${bytes} bytes`;
  const account = district === null ? "no account" : `${district}.${source}`;
  return [at, account, event, address, file, size, reason ?? ""].join("\t").trimEnd();
}
