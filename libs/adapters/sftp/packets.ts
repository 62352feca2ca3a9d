// Packets out of the pieces in which they arrive. One buffer per session is filled again and again:
// it keeps true that a session holds one packet at most, however long it says that it is.

import { longestPacket } from "./wire.ts";

const header = 4;
const usual = 36 * 1024;

export class Packets {
  #piece: Buffer = Buffer.alloc(0);
  #at = 0;
  #held: Buffer = Buffer.allocUnsafe(usual);
  #used = 0;
  #needed = header;

  /** Only when `next` has returned that it has none. */
  push(piece: Buffer): void {
    this.#piece = piece;
    this.#at = 0;
  }

  /**
   * The next whole packet, without its length; it holds until the next call.
   * @returns null when the pieces so far hold no more; "malformed" when nothing after can be understood.
   */
  next(): Buffer | null | "malformed" {
    for (;;) {
      const count = Math.min(this.#needed - this.#used, this.#piece.length - this.#at);
      this.#piece.copy(this.#held, this.#used, this.#at, this.#at + count);
      this.#at += count;
      this.#used += count;
      if (this.#used < this.#needed) return null;
      if (this.#needed > header) break;
      const length = this.#held.readUInt32BE();
      if (length === 0 || length > longestPacket) return "malformed";
      this.#needed = header + length;
      if (this.#needed > this.#held.length) this.#held = Buffer.allocUnsafe(header + longestPacket);
    }
    const packet = this.#held.subarray(header, this.#needed);
    this.#used = 0;
    this.#needed = header;
    return packet;
  }
}
