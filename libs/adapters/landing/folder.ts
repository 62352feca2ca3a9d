// The landing store as a folder: content/<first two>/<sha256> and deliveries/<delivery>/<document>.
// A file is written under a name of its own, made durable, then renamed: what can be found is whole.

import { createHash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { access, type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { PassThrough, type Readable } from "node:stream";

import { type DeliveryId, type DistrictId, parseDeliveryId } from "../../domain/ids.ts";
import { AppError } from "../../errors.ts";
import type { LandedFile, Landing } from "../../ports.ts";
import { syncFolder } from "../sync-folder.ts";

const hashForm = /^[0-9a-f]{64}$/u;

export class FolderLanding implements Landing {
  readonly #root: string;

  constructor(root: string) {
    this.#root = resolve(root);
  }

  async put(name: string, content: AsyncIterable<Uint8Array>): Promise<LandedFile> {
    const hash = createHash("sha256");
    let bytes = 0;
    const write = async (file: FileHandle): Promise<string> => {
      for await (const chunk of content) {
        hash.update(chunk);
        bytes += chunk.length;
        await file.writeFile(chunk);
      }
      return hash.digest("hex");
    };
    const sha256 = await this.#store(write, (digest) => this.#contentPath(digest));
    return { name, sha256, bytes };
  }

  open(sha256: string): Readable {
    const file = createReadStream(this.#contentPath(sha256));
    const content = new PassThrough();
    // pipeline() would hand on the raw error, and a reader would not know that it may pass.
    file.on("error", (cause) => {
      content.destroy(new AppError("landing.io", { message: "reading a file in landing", cause, details: { sha256 } }));
    });
    content.on("close", () => file.destroy());
    return file.pipe(content);
  }

  async putDocument(delivery: DeliveryId, name: string, text: string): Promise<void> {
    const write = async (file: FileHandle): Promise<string> => {
      await file.writeFile(text);
      return name;
    };
    await this.#store(write, (document) => join(this.#root, "deliveries", delivery, document));
  }

  async document(delivery: DeliveryId, name: string): Promise<string | null> {
    try {
      return await readFile(join(this.#root, "deliveries", delivery, name), "utf8");
    } catch (error) {
      if (isMissing(error)) return null;
      throw new AppError("landing.io", { message: `reading the document ${name}`, cause: error });
    }
  }

  async has(sha256: string): Promise<boolean> {
    try {
      await access(this.#contentPath(sha256));
      return true;
    } catch (error) {
      if (isMissing(error)) return false;
      throw new AppError("landing.io", { message: "looking for a file in landing", cause: error, details: { sha256 } });
    }
  }

  async *contents(): AsyncGenerator<readonly string[]> {
    for (const part of await namesIn(join(this.#root, "content")))
      yield (await namesIn(join(this.#root, "content", part))).filter((name) => hashForm.test(name));
  }

  async deleteContent(sha256: string): Promise<void> {
    await remove(this.#contentPath(sha256));
  }

  async deleteDocuments(district: DistrictId): Promise<void> {
    const deliveries = join(this.#root, "deliveries");
    for (const name of await namesIn(deliveries))
      if (parseDeliveryId(name) !== null && name.startsWith(`${district}.`)) await remove(join(deliveries, name));
  }

  async deleteDocumentsOf(delivery: DeliveryId): Promise<void> {
    await remove(join(this.#root, "deliveries", delivery));
  }

  async deleteUnfinished(ageMs: number): Promise<void> {
    const incoming = join(this.#root, "incoming");
    for (const name of await namesIn(incoming)) {
      const path = join(incoming, name);
      const found = await stat(path).catch(() => null);
      // The files' own clock is the machine's; nothing but this is decided by it.
      if (found !== null && found.mtimeMs < Date.now() - ageMs) await remove(path);
    }
  }

  #contentPath(sha256: string): string {
    if (!hashForm.test(sha256)) throw new AppError("landing.io", { message: "a content hash is 64 hex digits" });
    return join(this.#root, "content", sha256.slice(0, 2), sha256);
  }

  /** Writes a file under a passing name; `write` returns what the final path is made of. */
  async #store(write: (file: FileHandle) => Promise<string>, pathOf: (result: string) => string): Promise<string> {
    const incoming = join(this.#root, "incoming", randomUUID());
    try {
      await mkdir(dirname(incoming), { recursive: true });
      const file = await open(incoming, "wx", 0o600);
      let result: string;
      try {
        result = await write(file);
        await file.datasync();
      } finally {
        await file.close();
      }
      const path = pathOf(result);
      await mkdir(dirname(path), { recursive: true });
      await rename(incoming, path);
      // Its folder and those above it: any of them may be as new as the file, made here or by another process.
      for (let folder = dirname(path); folder !== dirname(this.#root); folder = dirname(folder))
        await syncFolder(folder);
      await syncFolder(dirname(this.#root));
      return result;
    } catch (error) {
      await rm(incoming, { force: true });
      if (error instanceof AppError) throw error;
      throw new AppError("landing.io", { message: "storing a file in landing", cause: error });
    }
  }
}

/** The names in a folder; none when there is no such folder. */
async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isMissing(error)) return [];
    throw new AppError("landing.io", { message: "listing a folder of landing", cause: error });
  }
}

/** Deletes a file, or a folder with all in it; one that is not there is deleted already. */
async function remove(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (cause) {
    throw new AppError("landing.io", { message: "deleting a file in landing", cause });
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
