// Kafka's numbers and texts as bytes, both ways: big-endian integers, zigzag varints, texts with their lengths before them.

/** Writes into memory that grows; {@link ByteWriter.take} hands out what was written. */
export class ByteWriter {
  bytes: Buffer;
  at = 0;

  constructor(size = 256) {
    this.bytes = Buffer.allocUnsafeSlow(size);
  }

  /** Makes room for as many bytes. */
  reserve(count: number): void {
    if (this.at + count <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.at + count, 2 * this.bytes.length));
    this.bytes.copy(larger, 0, 0, this.at);
    this.bytes = larger;
  }

  /** What was written since the start, as a view that stays valid as long as nothing more is written. */
  take(): Buffer {
    return this.bytes.subarray(0, this.at);
  }

  int8(value: number): this {
    this.reserve(1);
    this.at = this.bytes.writeInt8(value, this.at);
    return this;
  }

  int16(value: number): this {
    this.reserve(2);
    this.at = this.bytes.writeInt16BE(value, this.at);
    return this;
  }

  int32(value: number): this {
    this.reserve(4);
    this.at = this.bytes.writeInt32BE(value, this.at);
    return this;
  }

  int64(value: number | bigint): this {
    this.reserve(8);
    this.at = this.bytes.writeBigInt64BE(BigInt(value), this.at);
    return this;
  }

  /** An unsigned varint. */
  unsigned(value: number): this {
    this.reserve(5);
    let rest = value >>> 0;
    while (rest > 0x7f) {
      this.bytes[this.at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.bytes[this.at++] = rest;
    return this;
  }

  /** A signed varint (zigzag) of 32 bits. */
  varint(value: number): this {
    return this.unsigned((value << 1) ^ (value >> 31));
  }

  raw(value: Uint8Array): this {
    this.reserve(value.length);
    this.bytes.set(value, this.at);
    this.at += value.length;
    return this;
  }

  /** A text of known length in UTF-8. */
  utf8(text: string, length: number): this {
    this.reserve(length);
    this.at += this.bytes.write(text, this.at, length, "utf8");
    return this;
  }

  /** A text with its length as int16. */
  text(text: string): this {
    const length = Buffer.byteLength(text);
    return this.int16(length).utf8(text, length);
  }

  /** A text with its length plus one as unsigned varint, as newer requests have it. */
  compactText(text: string): this {
    const length = Buffer.byteLength(text);
    return this.unsigned(length + 1).utf8(text, length);
  }
}

/** Reads from front to back. @throws RangeError beyond the end. */
export class ByteReader {
  readonly bytes: Buffer;
  at: number;

  constructor(bytes: Buffer, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }

  int8(): number {
    return this.bytes.readInt8(this.#next(1));
  }

  int16(): number {
    return this.bytes.readInt16BE(this.#next(2));
  }

  int32(): number {
    return this.bytes.readInt32BE(this.#next(4));
  }

  /** @throws RangeError when the number cannot be kept exactly. */
  int64(): number {
    const value = Number(this.bytes.readBigInt64BE(this.#next(8)));
    if (!Number.isSafeInteger(value)) throw new RangeError("a number beyond 2^53 cannot be kept exactly");
    return value;
  }

  unsigned(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.bytes.readUInt8(this.at++);
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw new RangeError("a varint is at most five bytes");
  }

  varint(): number {
    const value = this.unsigned();
    return (value >>> 1) ^ -(value & 1);
  }

  /** A signed varint of 64 bits that fits into a number. */
  varlong(): number {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.bytes.readUInt8(this.at++);
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return Number((value >> 1n) ^ -(value & 1n));
    }
    throw new RangeError("a varlong is at most ten bytes");
  }

  text(): string {
    const length = this.int16();
    return length < 0 ? "" : this.#utf8(length);
  }

  compactText(): string {
    const length = this.unsigned() - 1;
    return length < 0 ? "" : this.#utf8(length);
  }

  slice(length: number): Buffer {
    const start = this.#next(length);
    return this.bytes.subarray(start, start + length);
  }

  #utf8(length: number): string {
    const start = this.#next(length);
    return this.bytes.toString("utf8", start, start + length);
  }

  #next(length: number): number {
    const start = this.at;
    if (start + length > this.bytes.length) throw new RangeError("an answer ends before what it says");
    this.at = start + length;
    return start;
  }
}
