// The files of all sources, for the sessions of this process. A lease says that the process lives; what a process was
// writing that is gone is torn.
// It keeps true that a file has one writer: within a process the newest upload takes the place of an earlier one, whose
// connection may have broken without a word; what another living process writes is refused as busy. A process whose lease
// ended writes no more. Of each source one change at a time takes a connection of the database, so that no client keeps
// the others waiting.

import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Knex } from "knex";

import { FileRefusal } from "../sftp/district-files.ts";
import { releaseLease, renewLease, takeLease } from "../postgres/leases.ts";
import type { Lease } from "../../ports.ts";
import { DropFiles } from "./files.ts";
import { defaultDropLimits, type DropLimits, makeFolder, refusalOf, type SourceKey } from "./place.ts";
import { Room } from "./room.ts";
import { holderLease, lockSource, whereSource } from "./rows.ts";
import type { DropUpload } from "./upload.ts";

const defaultLeaseMs = 15_000;

type Open = { readonly key: SourceKey; readonly path: string; readonly upload: DropUpload };

export type DropsAbout = {
  readonly sql: Knex;
  /** The folder `drops` of the data folder. */
  readonly root: string;
  readonly limits?: Partial<Pick<DropLimits, "sourceBytes">>;
  /** For how long the process may write without a word to the database. Default 15 s. */
  readonly leaseMs?: number;
};

export class Drops {
  readonly sql: Knex;
  readonly root: string;
  readonly holder = randomUUID();
  readonly #uploads = new Map<string, Open>();
  readonly #leaseMs: number;
  readonly #room: Room;
  /** By source, the last change that is waiting or under way. */
  readonly #changes = new Map<string, Promise<unknown>>();
  readonly #end = new AbortController();
  #lease: Lease | null = null;
  /** Until when the lease holds whatever happens, by the clock of `performance`. */
  #heldUntil = 0;
  #renewing: Promise<void> = Promise.resolve();

  private constructor({ sql, root, limits, leaseMs = defaultLeaseMs }: DropsAbout) {
    this.#leaseMs = leaseMs;
    this.sql = sql;
    this.root = root;
    this.#room = new Room({ folder: root, ...defaultDropLimits, ...limits });
  }

  static async open(about: DropsAbout): Promise<Drops> {
    await makeFolder(about.root);
    const drops = new Drops(about);
    await drops.#hold();
    drops.#renewing = drops.#renew();
    return drops;
  }

  /** The files of a source, for one session of a client at an address. */
  files({ district, source }: SourceKey, address: string): DropFiles {
    return new DropFiles(this, { district, source }, address);
  }

  /** Abandons what is being written, and lets the lease go. Twice changes nothing. */
  async close(): Promise<void> {
    this.#end.abort();
    await this.#renewing;
    for (const { upload } of this.#uploads.values()) await upload.abandon();
    const lease = this.#lease;
    this.#lease = null;
    if (lease === null) return;
    await releaseLease(this.sql, lease);
    await this.sql("leases").where({ name: lease.name }).delete();
  }

  /** Within the transaction in which its row is written. */
  began(open: Open): void {
    this.#uploads.set(nameOf(open.key, open.path), open);
  }

  ended(key: SourceKey, path: string, upload: DropUpload): void {
    if (this.#uploads.get(nameOf(key, path))?.upload === upload) this.#uploads.delete(nameOf(key, path));
  }

  /**
   * Makes sure, under the source's lock, that nobody writes the file.
   * @throws FileRefusal `busy` while another process does.
   */
  async claim(trx: Knex.Transaction, key: SourceKey, path: string): Promise<void> {
    const row: { readonly holder: string | null } | undefined = await trx("drop_files")
      .where({ ...whereSource(key), path, state: "open" })
      .first("holder");
    const holder = row?.holder ?? this.holder;
    if (holder !== this.holder) {
      const { rows } = await trx.raw<{ readonly rows: readonly unknown[] }>(
        "select 1 from leases where name = ? and expires_at > clock_timestamp()",
        [holderLease(holder)],
      );
      if (rows.length > 0) throw new FileRefusal("busy", "another connection is writing this file; try again later");
    }
    this.#uploads.get(nameOf(key, path))?.upload.giveWay();
  }

  /** Whether this process writes the file. */
  isWriting(key: SourceKey, path: string): boolean {
    return this.#uploads.has(nameOf(key, path));
  }

  /**
   * Work under the source's lock, after what this process does there already.
   * @throws FileRefusal only.
   */
  async locked<T>(key: SourceKey, work: (trx: Knex.Transaction) => Promise<T>): Promise<T> {
    const name = textOf(key);
    const change = (this.#changes.get(name) ?? Promise.resolve()).then(() =>
      this.sql.transaction(async (trx) => {
        await lockSource(trx, key);
        return work(trx);
      }),
    );
    const settled = change.catch(() => undefined);
    this.#changes.set(name, settled);
    try {
      return await change;
    } catch (error) {
      throw refusalOf(error);
    } finally {
      if (this.#changes.get(name) === settled) this.#changes.delete(name);
    }
  }

  /** Before a write. @throws FileRefusal `failed` when the lease has ended: others may have the file; `full`. */
  mayWrite(key: SourceKey, about: { readonly writes: number; readonly grows: number }): void {
    if (performance.now() >= this.#heldUntil)
      throw new FileRefusal("failed", "the upload was interrupted; upload the file again");
    this.#room.take(textOf(key), about);
  }

  /** Counts what the source has, under its lock. */
  async count(trx: Knex.Transaction, key: SourceKey): Promise<void> {
    const { rows } = await trx.raw<{ readonly rows: readonly { readonly bytes: number }[] }>(
      `select cast(
         (select coalesce(sum(bytes), 0) from drop_files
          where district = :district and source = :source and (state <> 'open' or holder is distinct from :holder))
         + (select coalesce(sum(cast(file->>'bytes' as int8)), 0)
            from drop_sets, jsonb_array_elements(files) as file
            where district = :district and source = :source and state = 'taken') as float8) as bytes`,
      { ...whereSource(key), holder: this.holder },
    );
    const own = [...this.#uploads.values()].filter((open) => textOf(open.key) === textOf(key));
    const open = own.reduce((sum, { upload }) => sum + upload.bytes, 0);
    this.#room.counted(textOf(key), (rows[0]?.bytes ?? 0) + open);
  }

  async #hold(): Promise<void> {
    const request = { name: holderLease(this.holder), holder: this.holder, ttlMs: this.#leaseMs };
    const askedAt = performance.now();
    if (this.#lease === null || !(await renewLease(this.sql, this.#lease, this.#leaseMs)))
      this.#lease = await takeLease(this.sql, request);
    if (this.#lease !== null) this.#heldUntil = askedAt + this.#leaseMs;
  }

  async #renew(): Promise<void> {
    const { signal } = this.#end;
    while (!signal.aborted) {
      await sleep(this.#leaseMs / 3, undefined, { signal, ref: false }).catch(() => {});
      if (signal.aborted) return;
      try {
        await this.#hold();
        await this.#tearForgotten();
      } catch {
        // The database is away: when it is back the lease is taken anew, and what was torn meanwhile cannot be closed.
      }
    }
  }

  /** What ended while the database could not be told. */
  async #tearForgotten(): Promise<void> {
    const rows: readonly { readonly district: string; readonly source: string; readonly path: string }[] =
      await this.sql("drop_files").where({ state: "open", holder: this.holder }).select("district", "source", "path");
    for (const row of rows)
      if (!this.#uploads.has(`${row.district} ${row.source} ${row.path}`))
        await this.sql("drop_files")
          .where({ ...row, state: "open", holder: this.holder })
          .update({ state: "torn", holder: null });
  }
}

function nameOf({ district, source }: SourceKey, path: string): string {
  return `${textOf({ district, source })} ${path}`;
}

function textOf({ district, source }: SourceKey): string {
  return `${district} ${source}`;
}
