// By what an SFTP account is proven: passwords, of which only a hash is kept, and public keys. Several may hold at once,
// so that one can be changed for another without a night in between.

import type { Knex } from "knex";

import type { DistrictId, SourceId } from "../../domain/ids.ts";
import { AppError } from "../../errors.ts";

export type CredentialPlace = { readonly district: DistrictId; readonly source: SourceId };

export type CredentialView = {
  readonly id: number;
  readonly kind: "password" | "key";
  readonly label: string;
  /** Of a key, SHA256:...; of a password null. */
  readonly fingerprint: string | null;
  /** ISO 8601, UTC. */
  readonly addedAt: string;
  readonly lastUsedAt: string | null;
};

export type NewCredential = Pick<CredentialView, "kind" | "label" | "fingerprint"> & {
  /** The password's hash, or the public key. */
  readonly secret: string;
};

type Row = {
  readonly id: number;
  readonly kind: CredentialView["kind"];
  readonly label: string;
  readonly fingerprint: string | null;
  readonly added_at: Date;
  readonly last_used_at: Date | null;
};

/** One in use and one to change to: each more would make every login that is refused take longer. */
export const mostPasswords = 2;

/** Adds a credential beside those that are there. @throws AppError `source.key-exists`, `source.passwords`. */
export async function addCredential(
  sql: Knex,
  { district, source }: CredentialPlace,
  { kind, label, fingerprint, secret }: NewCredential,
): Promise<void> {
  if (kind === "password") await checkPasswords(sql, { district, source });
  const added: readonly unknown[] = await sql("sftp_credentials")
    .insert({ district, source, kind, label, fingerprint, secret })
    .onConflict(["district", "source", "fingerprint"])
    .ignore()
    .returning("id");
  if (added.length === 0) throw new AppError("source.key-exists", { details: { district, fingerprint } });
}

async function checkPasswords(sql: Knex, place: CredentialPlace): Promise<void> {
  const there: readonly unknown[] = await sql("sftp_credentials")
    .where({ ...place, kind: "password" })
    .select("id");
  if (there.length >= mostPasswords) throw new AppError("source.passwords", { details: { ...place } });
}

export async function credentialsOf(
  sql: Knex,
  { district, source }: CredentialPlace,
): Promise<readonly CredentialView[]> {
  const rows: readonly Row[] = await sql("sftp_credentials")
    .where({ district, source })
    .orderBy("id")
    .select("id", "kind", "label", "fingerprint", "added_at", "last_used_at");
  return rows.map(({ id, kind, label, fingerprint, added_at: added, last_used_at: used }) => ({
    id,
    kind,
    label,
    fingerprint,
    addedAt: added.toISOString(),
    lastUsedAt: used?.toISOString() ?? null,
  }));
}

/** Ends one credential, or all passwords before a new one. @returns how many were ended. */
export async function endCredentials(
  sql: Knex,
  { district, source }: CredentialPlace,
  which: { readonly id: number } | { readonly kind: CredentialView["kind"] },
): Promise<number> {
  return sql("sftp_credentials")
    .where({ district, source, ...which })
    .delete();
}

export type AuditView = {
  /** ISO 8601, UTC. */
  readonly at: string;
  /** Null: the name that was given is no account's. */
  readonly district: string | null;
  readonly source: string | null;
  readonly event: string;
  readonly address: string;
  readonly path: string | null;
  readonly formerPath: string | null;
  readonly bytes: number | null;
  readonly reason: string | null;
};

/** The newest events of a district, or of all and of nobody's account; oldest first. */
export async function auditOf(
  sql: Knex,
  { district, limit }: { readonly district: DistrictId | null; readonly limit: number },
): Promise<readonly AuditView[]> {
  const rows: readonly (Omit<AuditView, "at" | "formerPath"> & {
    readonly at: Date;
    readonly former_path: string | null;
  })[] = await sql("sftp_audit")
    .where(district === null ? {} : { district })
    .orderBy("id", "desc")
    .limit(limit)
    .select("at", "district", "source", "event", "address", "path", "former_path", "bytes", "reason");
  return rows
    .map(({ at, former_path: formerPath, ...row }) => ({ ...row, at: at.toISOString(), formerPath }))
    .toReversed();
}
