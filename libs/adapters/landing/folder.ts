// The landing store as a folder: content/<first two>/<sha256> and deliveries/<delivery>/<document>.
// A file is written under a name of its own, made durable, then renamed: what can be found is whole.

import { createHash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { PassThrough, type Readable } from "node:stream";

import type { DeliveryId } from "../../domain/ids.ts";
import { AppError } from "../../errors.ts";
import type { LandedFile, Landing } from "../../ports.ts";

const hashForm = /^[0-9a-f]{64}$/u;

export class FolderLanding implements Landing {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
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
      await syncFolder(dirname(path));
      return result;
    } catch (error) {
      await rm(incoming, { force: true });
      if (error instanceof AppError) throw error;
      throw new AppError("landing.io", { message: "storing a file in landing", cause: error });
    }
  }
}

/** A rename is durable once its folder is. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
