// Room for what clients upload: on the disk, which the database may share, and for each source.
// It keeps true that uploads leave the disk a reserve, and that one source cannot fill what all share.

import { statfsSync } from "node:fs";

import { FileRefusal } from "../sftp/district-files.ts";

/** What stays free: a twentieth of the disk, at most this. */
const reserveBytesMost = 5e9;
/** How much is written at most until the disk is asked again. */
const grantBytesMost = 8e6;

export class Room {
  readonly #folder: string;
  readonly #sourceBytes: number;
  readonly #used = new Map<string, number>();
  #granted = 0;

  /**
   * @param about.folder lies on the disk.
   * @param about.sourceBytes what one source may have there.
   */
  constructor(about: { readonly folder: string; readonly sourceBytes: number }) {
    this.#folder = about.folder;
    this.#sourceBytes = about.sourceBytes;
  }

  /** What a source has there, as it was counted anew. */
  counted(source: string, bytes: number): void {
    this.#used.set(source, bytes);
  }

  /**
   * Before a file is written.
   * @param about.grows by how many bytes it becomes longer.
   * @throws FileRefusal `full`.
   */
  take(source: string, { writes, grows }: { readonly writes: number; readonly grows: number }): void {
    const used = (this.#used.get(source) ?? 0) + grows;
    if (used > this.#sourceBytes) throw full("the account has as much in its folder as it may have");
    if (writes > this.#granted) this.#granted = this.#grant(writes);
    this.#granted -= writes;
    this.#used.set(source, used);
  }

  #grant(bytes: number): number {
    const { bsize, blocks, bavail } = statfsSync(this.#folder);
    const free = bavail * bsize - Math.min(reserveBytesMost, (blocks * bsize) / 20);
    if (free < bytes) throw full("the disk has nothing left but its reserve");
    return Math.max(bytes, Math.min(grantBytesMost, free / 8));
  }
}

/** The cause is for the operator, who reads it in the log. */
function full(why: string): FileRefusal {
  return new FileRefusal("full", "there is no room for it", { cause: new Error(why) });
}
