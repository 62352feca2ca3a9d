// Reads the bytes of a zip for yauzl, which asks for places that the file itself names.
// It keeps true that a place outside the file is an error of reading it: asked of the system, a place of 2^63 would throw
// where nobody can catch it and end the process.

import { close, fstat, open, read } from "node:fs";
import { Readable } from "node:stream";
import { promisify } from "node:util";

import { fromRandomAccessReaderPromise, RandomAccessReader, type ZipFile } from "yauzl";

const chunkBytes = 65_536;
const readPart = promisify(read);

class FileReader extends RandomAccessReader {
  readonly #fd: number;
  readonly #size: number;

  constructor(fd: number, size: number) {
    super();
    this.#fd = fd;
    this.#size = size;
  }

  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    done: (error: Error | null, bytes?: number) => void,
  ): void {
    if (position >= 0 && position + length <= this.#size) read(this.#fd, buffer, offset, length, position, done);
    else setImmediate(done, new Error("a place outside the file"));
  }

  override _readStreamForRange(start: number, end: number): Readable {
    // A stream of the system's own would close the file when it is left before its end.
    return Readable.from(this.#chunks(start, end), { objectMode: false });
  }

  async *#chunks(start: number, end: number): AsyncGenerator<Buffer, void, undefined> {
    for (let at = start; at < end;) {
      const length = Math.min(chunkBytes, end - at);
      const { bytesRead, buffer } = await readPart(this.#fd, Buffer.allocUnsafe(length), 0, length, at);
      if (bytesRead === 0) throw new Error("the file is shorter than it was");
      yield buffer.subarray(0, bytesRead);
      at += bytesRead;
    }
  }

  override close(done: (error: Error | null) => void): void {
    close(this.#fd, done);
  }
}

/** Opens a zip, until it is closed. Its names are left as bytes, and its sizes are not checked. */
export async function openZipFile(path: string): Promise<ZipFile> {
  const fd = await promisify(open)(path, "r");
  try {
    const { size } = await promisify(fstat)(fd);
    const options = { autoClose: false, decodeStrings: false, validateEntrySizes: false };
    const zip = await fromRandomAccessReaderPromise(new FileReader(fd, size), size, options);
    // Closing may fail when nobody waits for anything of it any more.
    zip.on("error", () => undefined);
    return zip;
  } catch (error) {
    await promisify(close)(fd);
    throw error;
  }
}
