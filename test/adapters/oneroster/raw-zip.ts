// Writes zips byte by byte, honest ones and those that no honest program would write.

import { crc32, deflateRawSync } from "node:zlib";

export type RawEntry = {
  readonly name: string | Buffer;
  readonly content?: string | Buffer;
  /** 8: DEFLATE; 0: as it is. */
  readonly method?: number;
  readonly flags?: number;
  /** System and version of who made it; the system is the upper byte: 3 is Unix. */
  readonly madeBy?: number;
  readonly attributes?: number;
  readonly extra?: Buffer;
  /** What the list says in place of the truth. */
  readonly compressedSize?: number;
  readonly uncompressedSize?: number;
  readonly crc?: number;
  readonly offset?: number;
  /** What stands before the bytes in place of the truth. */
  readonly localName?: string;
  readonly localMethod?: number;
  /** The bytes as they stand in the zip, in place of the packed content. */
  readonly packed?: Buffer;
  /** Sizes and checksum after the bytes, not before them. */
  readonly descriptor?: boolean;
};

export type RawEnd = {
  readonly comment?: Buffer;
  readonly count?: number;
  readonly disk?: number;
  /** Before the first entry; offsets count it. */
  readonly prefix?: Buffer;
  /** Between the list and its end. */
  readonly beforeEnd?: Buffer;
};

type Written = { readonly local: Buffer; readonly central: Buffer };

export function rawZip(entries: readonly RawEntry[], end: RawEnd = {}): Buffer {
  const parts: Buffer[] = [end.prefix ?? Buffer.alloc(0)];
  const list: Buffer[] = [];
  let at = parts[0]?.length ?? 0;
  for (const entry of entries) {
    const { local, central } = written(entry, at);
    parts.push(local);
    list.push(central);
    at += local.length;
  }
  const central = Buffer.concat(list);
  const { comment = Buffer.alloc(0), count = entries.length, disk = 0, beforeEnd = Buffer.alloc(0) } = end;
  const last = Buffer.alloc(22);
  last.writeUInt32LE(0x06054b50, 0);
  last.writeUInt16LE(disk, 4);
  last.writeUInt16LE(count, 8);
  last.writeUInt16LE(count, 10);
  last.writeUInt32LE(central.length, 12);
  last.writeUInt32LE(at, 16);
  last.writeUInt16LE(comment.length, 20);
  return Buffer.concat([...parts, central, beforeEnd, last, comment]);
}

function written(entry: RawEntry, at: number): Written {
  const content = Buffer.from(entry.content ?? "sourcedId\r\n");
  const { method = 8, flags = 0, madeBy = 0x0314, attributes = 0, extra = Buffer.alloc(0) } = entry;
  const bytes = entry.packed ?? (method === 8 ? deflateRawSync(content) : content);
  const sum = entry.crc ?? crc32(content);
  const name = Buffer.from(entry.name);
  const shared = (sizes: readonly number[], nameBytes: number): Buffer => {
    const head = Buffer.alloc(26);
    head.writeUInt16LE(20, 0);
    head.writeUInt16LE(flags | (entry.descriptor === true ? 8 : 0), 2);
    head.writeUInt16LE(method, 4);
    for (const [index, size] of sizes.entries()) head.writeUInt32LE(size, 10 + 4 * index);
    head.writeUInt16LE(nameBytes, 22);
    return head;
  };
  const truth = [sum, bytes.length, content.length];
  const localName = Buffer.from(entry.localName ?? entry.name);
  const local = shared(entry.descriptor === true ? [0, 0, 0] : truth, localName.length);
  local.writeUInt16LE(entry.localMethod ?? method, 4);
  const after = Buffer.alloc(entry.descriptor === true ? 16 : 0);
  if (entry.descriptor === true)
    for (const [i, value] of [0x08074b50, ...truth].entries()) after.writeUInt32LE(value, 4 * i);
  const told = [sum, entry.compressedSize ?? bytes.length, entry.uncompressedSize ?? content.length];
  const head = shared(told, name.length);
  head.writeUInt16LE(extra.length, 24);
  const tail = Buffer.alloc(14);
  tail.writeUInt32LE(attributes, 6);
  tail.writeUInt32LE(entry.offset ?? at, 10);
  const by = Buffer.alloc(2);
  by.writeUInt16LE(madeBy, 0);
  return {
    local: Buffer.concat([Buffer.from("PK\u0003\u0004"), local, localName, bytes, after]),
    central: Buffer.concat([Buffer.from("PK\u0001\u0002"), by, head, tail, name, extra]),
  };
}

/** An extra field, such as 0x7075 for a name in UTF-8. */
export function extraField(id: number, data: Buffer): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt16LE(id, 0);
  head.writeUInt16LE(data.length, 2);
  return Buffer.concat([head, data]);
}

/** The extra field that says another name of an entry. */
export function secondName(first: string, second: string): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(1, 0);
  head.writeUInt32LE(crc32(first), 1);
  return extraField(0x7075, Buffer.concat([head, Buffer.from(second)]));
}
