// When things change. Every decision is a pure function of seed, purpose, index and night, in constant time for any night:
// so a night needs no memory of the nights before it, and the generator knows what changed without comparing anything.
// Keeps true: the same arguments give the same answer on every machine (integers only, no clock, no randomness).

/** A recurring change: every `period` nights each index is hit once, and each night about 1/period of them. */
export type Pulse = { readonly period: number; readonly offset: number };

/** Primes, none of them the stride: so that an index meets every phase and two pulses rarely coincide. */
const ladder = [397, 197, 97, 47, 23, 11, 5] as const;
const stride = 31;

/** A 32-bit number that looks random. The finishing steps are those of MurmurHash3 (public domain). */
export function hash(seed: number, purpose: number, index: number): number {
  let h =
    Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(purpose + 1, 0xc2b2ae35) ^ Math.imul(index + 1, 0x27d4eb2f);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/**
 * A pulse over `count` indexes that hits every night about 1/`longest` of them, and in a small district, where that would be
 * nothing, at least `atLeast` of them if there are enough.
 */
export function pulse(
  seed: number,
  purpose: number,
  options: { readonly count: number; readonly longest: number; readonly atLeast: number },
): Pulse {
  const wanted = Math.min(options.longest, options.count / options.atLeast);
  const period = ladder.find((step) => step <= wanted) ?? 5;
  return { period, offset: hash(seed, purpose, 0) % period };
}

function phase(pulse: Pulse, index: number): number {
  return (index * stride + pulse.offset) % pulse.period;
}

/** How often the pulse has hit this index up to and including this night; 0 for everyone on night 1. */
export function version(pulse: Pulse, index: number, night: number): number {
  return Math.floor((night - 1 + phase(pulse, index)) / pulse.period);
}

/** The night of the latest hit, or 1 if there was none. */
export function lastHit(pulse: Pulse, index: number, night: number): number {
  const at = phase(pulse, index);
  const hits = Math.floor((night - 1 + at) / pulse.period);
  return hits === 0 ? 1 : hits * pulse.period - at + 1;
}

/** A switch that is off on night 1 and is thrown by each hit. */
export function isOn(pulse: Pulse, index: number, night: number): boolean {
  return version(pulse, index, night) % 2 === 1;
}

/** The latest night at which one of the pulses hit the index, or 1. */
export function latest(pulses: readonly Pulse[], index: number, night: number): number {
  let at = 1;
  for (const pulse of pulses) at = Math.max(at, lastHit(pulse, index, night));
  return at;
}
