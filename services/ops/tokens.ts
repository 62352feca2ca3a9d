// Tokens: who may use the HTTP API, and for what. Only the hash of a token is stored; it is shown once, when it is made.

import { createHash, randomBytes } from "node:crypto";

import type { Knex } from "knex";

import { AppError } from "../../libs/errors.ts";

export const roles = ["operator", "gateway", "licensing", "accounts", "product"] as const;
export type Role = (typeof roles)[number];

/** Who asks. `districts`: the only ones it may know of; null: all. */
export type Principal = { readonly name: string; readonly role: Role; readonly districts: readonly string[] | null };

export type TokenView = Principal & {
  /** ISO 8601, UTC. */
  readonly createdAt: string;
  readonly revokedAt: string | null;
};

type Row = {
  readonly name: string;
  readonly role: string;
  readonly districts: readonly string[] | null;
  readonly created_at: Date;
  readonly revoked_at: Date | null;
};

/** A new token that nobody can guess, not stored anywhere. */
export function newToken(): string {
  return `rc_${randomBytes(32).toString("base64url")}`;
}

export function tokenHash(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}

/**
 * Makes a token. @returns its text, which cannot be had again.
 * @throws AppError `usage` for a role that no district can bind, `token.exists`, `district.unknown`.
 */
export async function createToken(sql: Knex, { name, role, districts }: Principal): Promise<string> {
  if (role === "licensing" && districts !== null)
    throw new AppError("usage", {
      message:
        "a token for licensing is for all districts: a license concerns every district that has its organisations",
    });
  const known: readonly string[] = await sql("districts")
    .whereIn("id", [...(districts ?? [])])
    .pluck("id");
  const unknown = (districts ?? []).find((id) => !known.includes(id));
  if (unknown !== undefined) throw new AppError("district.unknown", { message: `there is no district ${unknown}` });
  const token = newToken();
  const made: unknown[] = await sql("tokens")
    .insert({ name, role, districts, hash: tokenHash(token) })
    .onConflict("name")
    .ignore()
    .returning("id");
  if (made.length === 0) throw new AppError("token.exists", { message: `there is, or was, a token ${name}` });
  return token;
}

export async function listTokens(sql: Knex): Promise<readonly TokenView[]> {
  const rows: readonly Row[] = await sql("tokens")
    .orderBy("name")
    .select("name", "role", "districts", "created_at", "revoked_at");
  return rows.flatMap((row) => viewOf(row) ?? []);
}

/** Ends a token for good; twice is harmless. @throws AppError `token.unknown`. */
export async function revokeToken(sql: Knex, name: string): Promise<void> {
  const ended = await sql("tokens")
    .where({ name })
    .update({ revoked_at: sql.raw("coalesce(revoked_at, clock_timestamp())") });
  if (ended === 0) throw new AppError("token.unknown", { message: `there is no token ${name}` });
}

/** Who holds the token; null when nobody does, or not any more. */
export async function holderOf(sql: Knex, token: string): Promise<Principal | null> {
  const row: Row | undefined = await sql("tokens")
    .where({ hash: tokenHash(token), revoked_at: null })
    .first("name", "role", "districts", "created_at", "revoked_at");
  return row === undefined ? null : viewOf(row);
}

function viewOf({ name, role: text, districts, created_at: createdAt, revoked_at: revokedAt }: Row): TokenView | null {
  const role = roles.find((known) => known === text);
  if (role === undefined) return null;
  const revoked = revokedAt?.toISOString() ?? null;
  return { name, role, districts, createdAt: createdAt.toISOString(), revokedAt: revoked };
}
