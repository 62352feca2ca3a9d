// The bytes of an answer as text: decompressed, and decoded without a guess.
// It keeps true that a text is whole: bytes that cannot be decompressed or decoded are a fault, never replaced or left out.

import { isUtf8 } from "node:buffer";
import { promisify } from "node:util";
import { brotliDecompress, gunzip, inflate, inflateRaw } from "node:zlib";

import { answerFaults, TransportFault } from "./faults.ts";

const unpack = {
  br: promisify(brotliDecompress),
  gzip: promisify(gunzip),
  inflate: promisify(inflate),
  inflateRaw: promisify(inflateRaw),
};

type Unpacking = (bytes: Buffer, maxOutputLength: number) => Promise<Buffer>;

const codings: Readonly<Record<string, Unpacking>> = {
  br: (bytes, maxOutputLength) => unpack.br(bytes, { maxOutputLength }),
  deflate,
  gzip: (bytes, maxOutputLength) => unpack.gzip(bytes, { maxOutputLength }),
  "x-gzip": (bytes, maxOutputLength) => unpack.gzip(bytes, { maxOutputLength }),
};

/** Some servers leave out the wrapping that the standard demands. */
async function deflate(bytes: Buffer, maxOutputLength: number): Promise<Buffer> {
  const [first = 0, second = 0] = bytes;
  const isWrapped = (first & 0x0f) === 8 && (first * 256 + second) % 31 === 0;
  return isWrapped ? unpack.inflate(bytes, { maxOutputLength }) : unpack.inflateRaw(bytes, { maxOutputLength });
}

/** What is sent in Accept-Encoding. */
export const acceptedEncodings = "gzip, deflate, br";

/**
 * Undoes what Content-Encoding names.
 * @throws TransportFault passing when the bytes are broken, lasting when they would be more than the limit.
 */
export async function unpacked(bytes: Buffer, encoding: string, limitBytes: number): Promise<Buffer> {
  let plain = bytes;
  for (const name of encoding.toLowerCase().split(",").toReversed()) {
    const coding = codings[name.trim()];
    if (coding === undefined || plain.length === 0) continue;
    try {
      plain = await coding(plain, limitBytes);
    } catch (error) {
      if (error instanceof RangeError) throw tooLarge(limitBytes);
      throw new TransportFault({
        kind: "passing",
        code: answerFaults.badEncoding,
        words: "its answer cannot be decompressed",
      });
    }
  }
  if (plain.length > limitBytes) throw tooLarge(limitBytes);
  return plain;
}

export function tooLarge(limitBytes: number): TransportFault {
  const words = `its answer is larger than ${Math.floor(limitBytes / 1_048_576)} MB`;
  return new TransportFault({ kind: "lasting", code: answerFaults.tooLarge, words });
}

/**
 * The text, without a byte order mark; null when the bytes are no text. JSON has to be UTF-8 (RFC 8259), so what is valid
 * UTF-8 counts as that, also where a server's default names another charset: as that its names would be garbled.
 */
export function textOf(bytes: Buffer, contentType: string): string | null {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return decoded(bytes, "utf-16le");
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return decoded(bytes, "utf-16be");
  const charset = /;\s*charset\s*=\s*"?([^\s";]+)/iu.exec(contentType)?.[1] ?? "utf-8";
  if (/^utf-?16/iu.test(charset)) return decoded(bytes, charset);
  if (!isUtf8(bytes)) return /^utf-?8$/iu.test(charset) ? null : decoded(bytes, charset);
  const hasMark = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  return bytes.toString("utf8", hasMark ? 3 : 0);
}

/** null as well for a charset that nobody knows. */
function decoded(bytes: Buffer, charset: string): string | null {
  try {
    return new TextDecoder(charset, { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}
