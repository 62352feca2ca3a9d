// The rows of what lies in the folders of sources, and the lock under which both change together.
// It keeps true that a set is never taken from under a client: whoever changes a source's folder holds its lock.

import type { BigIntStats } from "node:fs";
import type { Knex } from "knex";

import { FileRefusal } from "../sftp/district-files.ts";
import type { SourceKey } from "./place.ts";

/** As in migrations/0009-sources.ts. */
export type FileState = "open" | "closed" | "torn" | "taken";

export function whereSource({ district, source }: SourceKey): { readonly district: string; readonly source: string } {
  return { district, source };
}

/**
 * Tells one file from another. Of our own server's files the rows say when they changed, and clients may set their times;
 * of a folder that another server fills only the time of change does.
 */
export function identityOf({ ino, size }: Pick<BigIntStats, "ino" | "size">): string {
  return `${ino} ${size}`;
}

export function watchedIdentityOf(found: Pick<BigIntStats, "ino" | "size" | "mtimeNs">): string {
  return `${identityOf(found)} ${found.mtimeNs}`;
}

/**
 * Until commit nobody else changes the folder of the source, and the source stays.
 * @throws FileRefusal `forbidden` when it is gone or disabled.
 */
export async function lockSource(trx: Knex.Transaction, key: SourceKey): Promise<void> {
  const { district, source } = key;
  // The district's row first, as whoever removes it does.
  await trx("districts").where({ id: district }).forKeyShare().first("id");
  await trx.raw("select pg_advisory_xact_lock(hashtextextended(?, 0))", [`drops.${district}.${source}`]);
  const own: unknown = await trx("sources").where({ district, id: source, disabled_at: null }).first("id");
  if (own === undefined) throw new FileRefusal("forbidden", "this account is closed");
}

export function holderLease(holder: string): string {
  return `drops.holder.${holder}`;
}

/**
 * What processes wrote that are gone is torn. Who wrote it stays known: such a process may only have slept, and still have
 * the file open. @returns how many files that were.
 */
export async function tearLeftOpen(sql: Knex): Promise<number> {
  return sql("drop_files")
    .where({ state: "open" })
    .whereRaw(
      `not exists (
         select 1 from leases
         where name = 'drops.holder.' || drop_files.holder and expires_at > clock_timestamp())`,
    )
    .update({ state: "torn" });
}
