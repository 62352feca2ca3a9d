// What happened on the SFTP server, as rows: every login, refusal, upload, rename and delete, by ids, names of files and addresses.
// It keeps true that nothing is written of a district that was removed, whose session may end later.

import type { Knex } from "knex";

import type { AuditEvent } from "./district-files.ts";

const longestReason = 200;

/** Resolves when it is stored, or, given a transaction, when it will be with that. */
export async function auditSftp(sql: Knex, event: AuditEvent): Promise<void> {
  const district = event.account?.district ?? null;
  await sql.transaction(async (trx) => {
    // Whoever removes the district locks its row first.
    const isThere = district === null || (await trx("districts").where({ id: district }).forKeyShare().first("id"));
    if (isThere) await insert(trx, event);
  });
}

async function insert(trx: Knex.Transaction, event: AuditEvent): Promise<void> {
  await trx("sftp_audit").insert({
    district: event.account?.district ?? null,
    source: event.account?.source ?? null,
    address: event.address,
    event: event.event,
    path: event.path ?? null,
    former_path: event.formerPath ?? null,
    bytes: event.bytes ?? null,
    reason: event.reason?.slice(0, longestReason) ?? null,
  });
}
