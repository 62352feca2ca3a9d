// A file that a client writes, in place, so that an upload that was cut short can be resumed.
// It keeps true: what is closed is durable, has no gap that was written past, and is whole as far as its writer says; an
// upload that another one took the place of writes no more; what was written behind a gap when the connection ended is cut
// off, so that nobody resumes over it; and a process that lost the file writes to nothing that counts.
//
//   open ──close──▶ closed
//     └──abandon, a failed write, the end of the process──▶ torn ──opened again──▶ open

import {
  closeSync,
  constants,
  fstatSync,
  fsync,
  ftruncateSync,
  openSync,
  readSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { basename, dirname } from "node:path";
import { promisify } from "node:util";
import type { Knex } from "knex";

import { auditSftp } from "../sftp/audit.ts";
import { type FileAbout, FileRefusal, type Upload } from "../sftp/district-files.ts";
import { defaultDropLimits, refusalOf, type SourceKey } from "./place.ts";
import { syncFolder } from "../sync-folder.ts";
import { identityOf, whereSource } from "./rows.ts";

const sync = promisify(fsync);

/** From a byte up to, not with, another one. */
type Part = { readonly from: number; readonly to: number };

/** Behind gaps that may still be filled; honest clients have some dozens on their way. */
const partsMost = 4_096;

export type UploadAbout = {
  readonly sql: Knex;
  readonly key: SourceKey;
  readonly path: string;
  readonly place: string;
  readonly descriptor: number;
  /** Where the client is. */
  readonly address: string;
  /** Which process writes it. */
  readonly holder: string;
  readonly guard: UploadGuard;
};

/** What an upload asks of whoever knows all of them. */
export interface UploadGuard {
  /** Before each write. @throws FileRefusal `failed` when the process may not write any more; `full`. */
  mayWrite(about: { readonly writes: number; readonly grows: number }): void;
  /** Work under the source's lock. @throws FileRefusal only. */
  locked(work: (trx: Knex.Transaction) => Promise<void>): Promise<void>;
  /** Called once, when nothing is written any more. */
  ended(upload: DropUpload): void;
}

export class DropUpload implements Upload {
  readonly #about: UploadAbout;
  #descriptor: number;
  #size: number;
  /** All bytes before it were there when it was opened, or were written since. */
  #whole: number;
  /** Parts behind it: a client that sends several at once may fill a gap later. */
  #behind: readonly Part[] = [];
  #failure: FileRefusal | null = null;
  #ending: Promise<void> | null = null;
  #isOpen = true;

  constructor(about: UploadAbout) {
    this.#about = about;
    this.#descriptor = about.descriptor;
    this.#size = fstatSync(about.descriptor).size;
    this.#whole = this.#size;
  }

  get bytes(): number {
    return this.#size;
  }

  about(): FileAbout {
    this.#check();
    const { size, mtimeMs } = fstatSync(this.#descriptor);
    return { name: basename(this.#about.path), kind: "file", bytes: size, modifiedAt: mtimeMs, mayWrite: true };
  }

  write(offset: number, bytes: Uint8Array): void {
    this.#check();
    this.#attempt(() => {
      const end = offset + bytes.length;
      if (end > defaultDropLimits.fileBytes) throw new FileRefusal("full", "the file is larger than any roster");
      if (offset > this.#size + defaultDropLimits.gapBytes)
        throw new FileRefusal("forbidden", "a file is written from its beginning on");
      this.#about.guard.mayWrite({ writes: bytes.length, grows: Math.max(0, end - this.#size) });
      let done = 0;
      while (done < bytes.length) done += writeSync(this.#descriptor, bytes, done, bytes.length - done, offset + done);
      this.#size = Math.max(this.#size, end);
      this.#wrote({ from: offset, to: end });
    });
  }

  #wrote(part: Part): void {
    let rest = [...this.#behind, part];
    for (let isFilled = true; isFilled;) {
      const whole = this.#whole;
      this.#whole = Math.max(whole, ...rest.filter(({ from }) => from <= whole).map(({ to }) => to));
      rest = rest.filter(({ to }) => to > this.#whole);
      isFilled = this.#whole > whole && rest.length > 0;
    }
    if (rest.length > partsMost) throw new FileRefusal("forbidden", "a file is written without gaps");
    this.#behind = rest;
  }

  read(offset: number, length: number): Uint8Array | null {
    this.#check();
    return readAt(this.#descriptor, offset, length);
  }

  truncate(bytes: number): void {
    this.#check();
    if (bytes > this.#size) throw new FileRefusal("forbidden", "a file grows by what is written only");
    this.#attempt(() => {
      this.#about.guard.mayWrite({ writes: 0, grows: bytes - this.#size });
      ftruncateSync(this.#descriptor, bytes);
      this.#size = bytes;
      this.#whole = Math.min(this.#whole, bytes);
      this.#behind = this.#behind.flatMap(({ from, to }) => (from < bytes ? [{ from, to: Math.min(to, bytes) }] : []));
    });
  }

  /** Writes a new file in place of the one that is there, which a process that lost it may have open still. */
  startOver(): void {
    this.#check();
    this.#attempt(() => {
      const { place, guard } = this.#about;
      guard.mayWrite({ writes: 0, grows: -this.#size });
      unlinkSync(place);
      const { O_CREAT, O_EXCL, O_NOFOLLOW, O_RDWR } = constants;
      const anew = openSync(place, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
      closeSync(this.#descriptor);
      this.#descriptor = anew;
      this.#size = 0;
      this.#whole = 0;
      this.#behind = [];
    });
  }

  close(): Promise<void> {
    return (this.#ending ??= this.#close());
  }

  async abandon(): Promise<void> {
    // A close that failed was told to whoever closed it.
    await (this.#ending ??= this.#tear()).catch(() => undefined);
  }

  /** Another upload of the file has begun, or it was deleted: this one writes no more. */
  giveWay(): void {
    this.#failure = new FileRefusal("failed", "another upload of this file has begun");
    this.#end();
  }

  async #close(): Promise<void> {
    const { key, path, place, holder, guard } = this.#about;
    let mayBeClosed = false;
    try {
      this.#check();
      if (this.#size > this.#whole)
        throw new FileRefusal("failed", "a part of the file was not written; upload the file again");
      await sync(this.#descriptor);
      await syncFolder(dirname(place));
      await guard.locked(async (trx) => {
        this.#check();
        mayBeClosed = true;
        const found = fstatSync(this.#descriptor, { bigint: true });
        const count = await trx("drop_files")
          .where({ ...whereSource(key), path, state: "open", holder })
          .update({
            state: "closed",
            holder: null,
            identity: identityOf(found),
            bytes: Number(found.size),
            still_since: trx.raw("clock_timestamp()"),
          });
        if (count === 0) throw new FileRefusal("failed", "the upload was interrupted; upload the file again");
        await this.#audit(trx, "upload", Number(found.size));
      });
    } catch (error) {
      // Its row may say that it is whole, when the answer was lost: then it stays as it is.
      await this.#tear(!mayBeClosed);
      throw refusalOf(error);
    }
    this.#end();
  }

  async #tear(isCut = true): Promise<void> {
    if (!this.#isOpen) return;
    const { sql, key, path, holder } = this.#about;
    // A disk that fails here fails the next writer too.
    if (isCut && fstatSync(this.#descriptor).size > this.#whole)
      this.#attempt(() => ftruncateSync(this.#descriptor, this.#whole), false);
    const { size } = fstatSync(this.#descriptor);
    const row = { ...whereSource(key), path, state: "open", holder };
    this.#end();
    // When the database cannot be asked now, the holder tears what it does not write any more.
    await sql
      .transaction(async (trx) => {
        const torn = { state: "torn", holder: null, bytes: size, still_since: trx.raw("clock_timestamp()") };
        if ((await trx("drop_files").where(row).update(torn)) > 0) await this.#audit(trx, "torn", size);
      })
      .catch(() => undefined);
  }

  async #audit(trx: Knex.Transaction, event: "upload" | "torn", bytes: number): Promise<void> {
    const { key, address, path } = this.#about;
    await auditSftp(trx, { event, account: { ...key, addresses: [] }, address, path, bytes });
  }

  #end(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    closeSync(this.#descriptor);
    this.#about.guard.ended(this);
  }

  #check(): void {
    if (this.#failure !== null) throw this.#failure;
    if (!this.#isOpen) throw new FileRefusal("failed", "the file is closed");
  }

  /** After a write that failed the file is not what its writer means: it cannot be closed as whole. */
  #attempt(work: () => void, isTold = true): void {
    try {
      work();
    } catch (error) {
      this.#failure = refusalOf(error);
      if (isTold) throw this.#failure;
    }
  }
}

/** @returns null at the end. */
export function readAt(descriptor: number, offset: number, length: number): Uint8Array | null {
  try {
    const bytes = Buffer.allocUnsafe(length);
    const count = readSync(descriptor, bytes, 0, length, offset);
    return count === 0 ? null : bytes.subarray(0, count);
  } catch (error) {
    throw refusalOf(error);
  }
}
