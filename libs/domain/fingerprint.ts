// 128-bit fingerprints of bytes: MurmurHash3 x86_128 (Austin Appleby, public domain algorithm), in plain integers,
// because a call into WebAssembly or a native addon per row costs more than the hash itself.
// Of ten million keys two collide with a chance of about 1.5e-25. Not for secrets: it is no cryptographic hash.

/** Four unsigned 32-bit words, written by {@link fingerprint}; reuse one for many calls. */
export type Fingerprint = Uint32Array;

const c1 = 0x239b961b;
const c2 = 0xab0e9789;
const c3 = 0x38b34ae5;
const c4 = 0xa1e38b93;

function rotate(x: number, by: number): number {
  return (x << by) | (x >>> (32 - by));
}

function finish(h: number): number {
  let x = h ^ (h >>> 16);
  x = Math.imul(x, 0x85ebca6b);
  x ^= x >>> 13;
  x = Math.imul(x, 0xc2b2ae35);
  return x ^ (x >>> 16);
}

/** Little-endian word of the four bytes beginning at `at`. */
function word(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24);
}

/** As {@link word}, of up to four bytes; bytes at or beyond `end` count as zero. */
function lastWord(bytes: Uint8Array, at: number, end: number): number {
  let value = 0;
  for (let i = Math.min(end, at + 4) - 1; i >= at; i--) value = (value << 8) | (bytes[i] ?? 0);
  return value;
}

/**
 * The fingerprint of `bytes[start, end)`, written into `out`.
 * Equal bytes give equal fingerprints on every machine; the figures in the database depend on it.
 */
export function fingerprint(bytes: Uint8Array, start: number, end: number, out: Fingerprint): void {
  const length = end - start;
  const blocksEnd = start + (length & ~15);
  let h1 = 0;
  let h2 = 0;
  let h3 = 0;
  let h4 = 0;
  let at = start;
  for (; at < blocksEnd; at += 16) {
    const k1 = word(bytes, at);
    const k2 = word(bytes, at + 4);
    const k3 = word(bytes, at + 8);
    const k4 = word(bytes, at + 12);
    h1 ^= Math.imul(rotate(Math.imul(k1, c1), 15), c2);
    h1 = (Math.imul((rotate(h1, 19) + h2) | 0, 5) + 0x561ccd1b) | 0;
    h2 ^= Math.imul(rotate(Math.imul(k2, c2), 16), c3);
    h2 = (Math.imul((rotate(h2, 17) + h3) | 0, 5) + 0x0bcaa747) | 0;
    h3 ^= Math.imul(rotate(Math.imul(k3, c3), 17), c4);
    h3 = (Math.imul((rotate(h3, 15) + h4) | 0, 5) + 0x96cd1c35) | 0;
    h4 ^= Math.imul(rotate(Math.imul(k4, c4), 18), c1);
    h4 = (Math.imul((rotate(h4, 13) + h1) | 0, 5) + 0x32ac3b17) | 0;
  }
  h4 ^= Math.imul(rotate(Math.imul(lastWord(bytes, at + 12, end), c4), 18), c1);
  h3 ^= Math.imul(rotate(Math.imul(lastWord(bytes, at + 8, end), c3), 17), c4);
  h2 ^= Math.imul(rotate(Math.imul(lastWord(bytes, at + 4, end), c2), 16), c3);
  h1 ^= Math.imul(rotate(Math.imul(lastWord(bytes, at, end), c1), 15), c2);
  h1 ^= length;
  h2 ^= length;
  h3 ^= length;
  h4 ^= length;
  h1 = (h1 + h2 + h3 + h4) | 0;
  h2 = (h2 + h1) | 0;
  h3 = (h3 + h1) | 0;
  h4 = (h4 + h1) | 0;
  h1 = finish(h1);
  h2 = finish(h2);
  h3 = finish(h3);
  h4 = finish(h4);
  h1 = (h1 + h2 + h3 + h4) | 0;
  out[0] = h1;
  out[1] = h2 + h1;
  out[2] = h3 + h1;
  out[3] = h4 + h1;
}
