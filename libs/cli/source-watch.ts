// `rollcall source waiting|audit`: what lies in a source's folder and why it is not read yet, and who signed in.

import { Command, InvalidArgumentError } from "commander";

import { districtOf } from "../adapters/postgres/districts.ts";
import { auditOf, type AuditView } from "../adapters/postgres/sftp-credentials.ts";
import { type Waiting, waitingText } from "../domain/drop.ts";
import { knownDistrict } from "./changes.ts";
import { answer, described, type JsonOption, withSystem } from "./command.ts";
import { namedSource, type SourceOption, withSource } from "./source-option.ts";

const shown = 50;

export function watchVerbs(): readonly Command[] {
  return [
    withSource(new Command("waiting").argument("<district>"), {
      says: "what lies in a source's folder, and what is missing before it is read",
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
    const { district, id: source } = await namedSource(system, id, options);
    const row: { readonly state: Waiting; readonly since: Date } | undefined = await system
      .sql("drop_waits")
      .where({ district, source })
      .first("state", "since");
    if (row === undefined) {
      await answer(options, { text: `nothing waits in ${source} of ${id}`, json: null });
      return;
    }
    const since = row.since.toISOString();
    const name = (await districtOf(system.sql, district))?.name ?? id;
    const text = waitingText(row.state, { district: name, since });
    await answer(options, { text, json: { since, ...row.state } });
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
