// Keeps the pages of a collection on disk as they come: one line of JSON each (PageLine), the answer's own text in it.
// It keeps true: nothing is written anew (long numbers survive), nothing of the address but limit and offset stands
// there in clear, and nobody but us can read the files.

import { createHash } from "node:crypto";
import { type FileHandle, mkdir, open } from "node:fs/promises";
import { join } from "node:path";

import { type Collection } from "../../domain/api/collections.ts";
import { fileOf } from "../../domain/api/pulled.ts";

export class Spool {
  readonly path: string;
  readonly #file: FileHandle;
  #writing: Promise<unknown> = Promise.resolve();
  #bytes = 0;
  #pages = 0;

  private constructor(path: string, file: FileHandle) {
    this.path = path;
    this.#file = file;
  }

  /** Begins the file of a collection anew. */
  static async open(folder: string, collection: Collection): Promise<Spool> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const path = join(folder, fileOf(collection));
    return new Spool(path, await open(path, "w", 0o600));
  }

  get bytes(): number {
    return this.#bytes;
  }

  get pages(): number {
    return this.#pages;
  }

  /** Forgets all pages: the collection is read again from its beginning. */
  async restart(): Promise<void> {
    await this.#writing;
    await this.#file.truncate(0);
    this.#bytes = 0;
    this.#pages = 0;
  }

  /**
   * Resolves once the page before is on its way to the disk: one page is written while the next one is asked for.
   * @param page.text JSON; newlines can stand only between its signs.
   */
  async add(page: { readonly path: string; readonly text: string }): Promise<void> {
    await this.#writing;
    const json = page.text.startsWith("\uFEFF") ? page.text.slice(1) : page.text;
    const line = Buffer.from(`{"path":${JSON.stringify(page.path)},"body":${json.replaceAll(/[\r\n]/gu, " ")}}\n`);
    const at = this.#bytes;
    this.#bytes += line.length;
    this.#pages += 1;
    this.#writing = this.#write(line, at);
    // Whoever waits for it next hears of its failure.
    this.#writing.catch(() => undefined);
  }

  async close(): Promise<void> {
    try {
      await this.#writing;
    } finally {
      await this.#file.close();
    }
  }

  async #write(line: Buffer, at: number): Promise<void> {
    for (let written = 0; written < line.length;) {
      const { bytesWritten } = await this.#file.write(line, written, line.length - written, at + written);
      written += bytesWritten;
    }
  }
}

/** A page's address for people: from the collection on; values other than limit and offset, which may be secrets, as a hash. */
export function pathOf(collection: Collection, url: URL, offset: number | null): string {
  const query = [...url.searchParams].map(([name, value]) => {
    const shown = name === "limit" || name === "offset" ? value : `~${hashOf(value)}`;
    return `${encodeURIComponent(name)}=${encodeURIComponent(name === "offset" && offset !== null ? String(offset) : shown)}`;
  });
  return `${collection}?${query.join("&")}`;
}

function hashOf(value: string): string {
  return createHash("sha256").update(value).digest("hex").slice(0, 8);
}
