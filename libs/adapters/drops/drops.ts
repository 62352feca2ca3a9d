// The files of all sources, for the sessions of this process. A lease says that the process lives; what a process was
// writing that is gone is torn.
// It keeps true that a file has one writer: within a process the newest upload takes the place of an earlier one, whose
// connection may have broken without a word; what another living process writes is refused as busy.

import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Knex } from "knex";

import { FileRefusal } from "../sftp/district-files.ts";
import { releaseLease, renewLease, takeLease } from "../postgres/leases.ts";
import type { Lease } from "../../ports.ts";
import { DropFiles } from "./files.ts";
import type { SourceKey } from "./place.ts";
import { holderLease, whereSource } from "./rows.ts";
import type { DropUpload } from "./upload.ts";

const leaseMs = 15_000;

type Open = { readonly key: SourceKey; readonly path: string; readonly upload: DropUpload };

export class Drops {
  readonly sql: Knex;
  readonly root: string;
  readonly holder = randomUUID();
  readonly #uploads = new Map<string, Open>();
  readonly #end = new AbortController();
  #lease: Lease | null = null;
  #renewing: Promise<void> = Promise.resolve();

  private constructor({ sql, root }: { readonly sql: Knex; readonly root: string }) {
    this.sql = sql;
    this.root = root;
  }

  /** @param about.root the folder `drops` of the data folder. */
  static async open(about: { readonly sql: Knex; readonly root: string }): Promise<Drops> {
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

  async #hold(): Promise<void> {
    const request = { name: holderLease(this.holder), holder: this.holder, ttlMs: leaseMs };
    if (this.#lease !== null && (await renewLease(this.sql, this.#lease, leaseMs))) return;
    this.#lease = await takeLease(this.sql, request);
  }

  async #renew(): Promise<void> {
    const { signal } = this.#end;
    while (!signal.aborted) {
      await sleep(leaseMs / 3, undefined, { signal, ref: false }).catch(() => {});
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
  return `${district} ${source} ${path}`;
}
