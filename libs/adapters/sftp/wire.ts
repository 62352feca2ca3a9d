// The packets of SFTP version 3 (draft-ietf-secsh-filexfer-02), as bytes and as what they mean.
// It keeps true that any bytes at all give a request or a fault: nothing throws, and no length is believed unchecked.
//
//   uint32 length | byte type | uint32 id | fields

import type { FileAbout } from "./district-files.ts";

export const status = {
  ok: 0,
  endOfFile: 1,
  noSuchFile: 2,
  permissionDenied: 3,
  failure: 4,
  badMessage: 5,
  unsupported: 8,
} as const;

/** Attributes that a client wants to set; what we keep of them. */
export type Attributes = { readonly bytes?: number; readonly modifiedAt?: number };

export type OpenFlags = {
  readonly read: boolean;
  readonly write: boolean;
  readonly append: boolean;
  readonly create: boolean;
  readonly truncate: boolean;
  readonly exclusive: boolean;
};

type WithHandle = { readonly id: number; readonly handle: string };
type WithPath = { readonly id: number; readonly path: Uint8Array };

/** What a client asks. Paths and data are slices of the packet: they hold until the next one is read. */
export type SftpRequest =
  | { readonly type: "init" }
  | (WithPath & { readonly type: "open"; readonly flags: OpenFlags })
  | (WithHandle & { readonly type: "read"; readonly offset: number; readonly length: number })
  | (WithHandle & { readonly type: "write"; readonly offset: number; readonly data: Uint8Array })
  | (WithHandle & { readonly type: "close" | "fstat" | "readdir" })
  | (WithHandle & { readonly type: "fsetstat"; readonly attributes: Attributes })
  | (WithPath & { readonly type: "setstat"; readonly attributes: Attributes })
  | (WithPath & { readonly type: "stat" | "opendir" | "remove" | "mkdir" | "rmdir" | "realpath" })
  | {
      readonly type: "rename";
      readonly id: number;
      readonly from: Uint8Array;
      readonly to: Uint8Array;
      readonly overwrite: boolean;
    }
  | { readonly type: "limits" | "unsupported" | "malformed"; readonly id: number };

/** The longest packet that is taken, as OpenSSH has it. */
export const longestPacket = 256 * 1024;
/** The most data of one read or write, as it is told to clients that ask for limits. */
export const mostData = longestPacket - 1024;

class Malformed extends Error {}

/** Fields of a packet, one after another. @throws Malformed at its end. */
class Fields {
  readonly #bytes: Buffer;
  #at = 1;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  number(): number {
    const at = this.#take(4);
    return this.#bytes.readUInt32BE(at);
  }

  /** Above 2^53 it is not exact, which is enough to see that it is too large. */
  longNumber(): number {
    return this.number() * 2 ** 32 + this.number();
  }

  bytes(): Buffer {
    const length = this.number();
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  name(): string {
    return this.bytes().toString("latin1");
  }

  attributes(): Attributes {
    const flags = this.number();
    const bytes = has(flags, 0x1) ? { bytes: this.longNumber() } : {};
    if (has(flags, 0x2)) this.#take(8);
    if (has(flags, 0x4)) this.#take(4);
    if (!has(flags, 0x8)) return bytes;
    this.#take(4);
    return { ...bytes, modifiedAt: this.number() * 1000 };
  }

  #take(count: number): number {
    const at = this.#at;
    if (count > this.#bytes.length - at) throw new Malformed();
    this.#at += count;
    return at;
  }
}

function has(flags: number, bit: number): boolean {
  return (flags & bit) !== 0;
}

/** @param packet without its length; not empty. */
export function readRequest(packet: Buffer): SftpRequest | null {
  if (packet[0] === 1) return { type: "init" };
  if (packet.length < 5) return null;
  const fields = new Fields(packet);
  const id = fields.number();
  try {
    return requestOf(packet[0] ?? 0, id, fields);
  } catch (thrown) {
    if (thrown instanceof Malformed) return { type: "malformed", id };
    throw thrown;
  }
}

function requestOf(type: number, id: number, fields: Fields): SftpRequest {
  switch (type) {
    case 3:
      return { type: "open", id, path: fields.bytes(), flags: openFlags(fields.number()) };
    case 4:
      return { type: "close", id, handle: fields.name() };
    case 5:
      return { type: "read", id, handle: fields.name(), offset: fields.longNumber(), length: fields.number() };
    case 6:
      return { type: "write", id, handle: fields.name(), offset: fields.longNumber(), data: fields.bytes() };
    case 8:
      return { type: "fstat", id, handle: fields.name() };
    case 9:
      return { type: "setstat", id, path: fields.bytes(), attributes: fields.attributes() };
    case 10:
      return { type: "fsetstat", id, handle: fields.name(), attributes: fields.attributes() };
    case 11:
      return { type: "opendir", id, path: fields.bytes() };
    case 12:
      return { type: "readdir", id, handle: fields.name() };
    case 13:
      return { type: "remove", id, path: fields.bytes() };
    case 14:
      return { type: "mkdir", id, path: fields.bytes() };
    case 15:
      return { type: "rmdir", id, path: fields.bytes() };
    case 16:
      return { type: "realpath", id, path: fields.bytes() };
    // There are no links, so that both are the same.
    case 7:
    case 17:
      return { type: "stat", id, path: fields.bytes() };
    case 18:
      return { type: "rename", id, from: fields.bytes(), to: fields.bytes(), overwrite: false };
    case 200:
      return extendedOf(id, fields);
    default:
      return { type: "unsupported", id };
  }
}

function extendedOf(id: number, fields: Fields): SftpRequest {
  switch (fields.name()) {
    case "posix-rename@openssh.com":
      return { type: "rename", id, from: fields.bytes(), to: fields.bytes(), overwrite: true };
    case "limits@openssh.com":
      return { type: "limits", id };
    case "expand-path@openssh.com":
      return { type: "realpath", id, path: withoutHome(fields.bytes()) };
    default:
      return { type: "unsupported", id };
  }
}

/** The home of every account is its root. */
function withoutHome(path: Buffer): Uint8Array {
  return path[0] === 0x7e && (path.length === 1 || path[1] === 0x2f) ? path.subarray(1) : path;
}

function openFlags(bits: number): OpenFlags {
  return {
    read: has(bits, 0x1),
    write: has(bits, 0x2) || has(bits, 0x4),
    append: has(bits, 0x4),
    create: has(bits, 0x8),
    truncate: has(bits, 0x10),
    exclusive: has(bits, 0x20),
  };
}

const types = { version: 2, status: 101, handle: 102, data: 103, name: 104, attributes: 105, extendedReply: 201 };

/** The answer to a client's first packet: version 3, and what we do beyond it. */
export function versionPacket(): Buffer {
  const extensions = ["posix-rename@openssh.com", "limits@openssh.com", "expand-path@openssh.com"];
  return packet(types.version, number(3), ...extensions.flatMap((name) => [text(name), text("1")]));
}

export function statusPacket(id: number, code: number, message = ""): Buffer {
  return packet(types.status, number(id), number(code), text(message), text("en"));
}

export function handlePacket(id: number, handle: string): Buffer {
  return packet(types.handle, number(id), text(handle));
}

export function dataPacket(id: number, data: Uint8Array): Buffer {
  return packet(types.data, number(id), number(data.length), data);
}

export function attributesPacket(id: number, about: FileAbout): Buffer {
  return packet(types.attributes, number(id), attributes(about));
}

/** A path alone, as the answer to what it is when normal. */
export function pathPacket(id: number, path: string): Buffer {
  return packet(types.name, number(id), number(1), text(path), text(path), number(0));
}

export function listPacket(id: number, entries: readonly FileAbout[]): Buffer {
  const fields = entries.flatMap((entry) => [text(entry.name), text(longName(entry)), attributes(entry)]);
  return packet(types.name, number(id), number(entries.length), ...fields);
}

export function limitsPacket(id: number, handles: number): Buffer {
  const limits = [longestPacket, mostData, mostData, handles];
  return packet(types.extendedReply, number(id), ...limits.flatMap((limit) => [number(0), number(limit)]));
}

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** As `ls -l` has it, which clients show or even read: mode, links, owner, group, size, time (UTC) and name. */
function longName({ name, kind, bytes, modifiedAt, mayWrite }: FileAbout): string {
  const folder = kind === "folder";
  const mode = folder ? (mayWrite ? "drwxr-xr-x" : "dr-xr-xr-x") : mayWrite ? "-rw-r--r--" : "-r--r--r--";
  const at = new Date(modifiedAt);
  const day = `${months[at.getUTCMonth()] ?? ""} ${String(at.getUTCDate()).padStart(2)}`;
  const isRecent = Date.now() - modifiedAt < 180 * 86_400_000;
  const time = isRecent ? at.toISOString().slice(11, 16) : String(at.getUTCFullYear()).padStart(5);
  return `${mode}    1 rollcall rollcall ${String(bytes).padStart(10)} ${day} ${time} ${name}`;
}

/** Size, mode and times. */
function attributes({ kind, bytes, modifiedAt, mayWrite }: FileAbout): Buffer {
  const mode = kind === "folder" ? (mayWrite ? 0o040755 : 0o040555) : mayWrite ? 0o100644 : 0o100444;
  const seconds = Math.min(Math.max(Math.floor(modifiedAt / 1000), 0), 2 ** 32 - 1);
  const high = Math.floor(bytes / 2 ** 32);
  return Buffer.concat([0x1 | 0x4 | 0x8, high, bytes % 2 ** 32, mode, seconds, seconds].map(number));
}

function packet(type: number, ...fields: readonly Uint8Array[]): Buffer {
  const length = fields.reduce((sum, field) => sum + field.length, 1);
  return Buffer.concat([number(length), Buffer.of(type), ...fields], length + 4);
}

function number(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([number(bytes.length), bytes]);
}
