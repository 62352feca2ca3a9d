// What happened on the SFTP server, as rows: every login, refusal, upload, rename and delete, by ids, names of files and addresses.

import type { Knex } from "knex";

import type { AuditEvent } from "./district-files.ts";

const longestReason = 200;

/** Resolves when it is stored, or, given a transaction, when it will be with that. */
export async function auditSftp(sql: Knex, event: AuditEvent): Promise<void> {
  await sql("sftp_audit").insert({
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
