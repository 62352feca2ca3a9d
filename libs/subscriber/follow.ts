// Follows one topic of a district into a store of the reader's own.
//
//   start over --batches--> at the end that was taken first --sweep--> following --batches--> at the end, waiting
//        ^-------------------------- the rules of following say so ---------'
//
// It keeps true that the position moves only together with what was read up to it, that a start over removes whatever the
// topic no longer says, and that no position is ever chosen without saying so.

import type { Codec } from "../adapters/registry/codec.ts";
import type { ChangeCodec } from "../adapters/registry/change-codec.ts";
import { isAppError } from "../errors.ts";
import type { Clock, EventLog, StoredRecord, TopicExtent } from "../ports.ts";
import { isRangeGone, type Position, type StartOver, startOverReason } from "./rules.ts";

/** Where topics are read, and what their bytes mean. */
export type Source = {
  readonly log: Pick<EventLog, "extent" | "scan" | "waitForAppend">;
  readonly codec: Codec;
  readonly changes: ChangeCodec;
};

/** A topic, and what of its records a reader is given. */
export interface Feed<Item> {
  readonly topic: string;
  /** @returns null for what is skipped. @throws AppError `registry.unknown-schema`, `registry.undecodable`. */
  itemOf(source: Source, record: StoredRecord): Item | null;
  /** The number of the changeset that this record ends; null for any other record. */
  changesetOf(source: Source, record: StoredRecord): number | null;
}

/** Items in the order of the log. `changeset`: the one that ends with them, or null; what is read up to it is consistent. */
export type Batch<Item> = {
  readonly items: readonly Item[];
  readonly changeset: number | null;
  readonly position: Position;
};

/** What the reader keeps. */
export interface Store<Item> {
  /** The position that was stored last, or null. */
  load(): Promise<Position | null>;
  /**
   * Applies the items, which then belong to the round of the position, and stores the position: both or neither.
   * The same items again change nothing.
   */
  apply(batch: Batch<Item>): Promise<void>;
  /** Removes all that belongs to another round than that of the position, and stores the position: both or neither. */
  sweep(position: Position): Promise<void>;
}

export type Following<Item> = {
  readonly source: Source;
  readonly feed: Feed<Item>;
  readonly store: Store<Item>;
  readonly clock: Clock;
  /** Is told why a start over begins. */
  readonly startsOver: (reason: StartOver) => void;
};

/** How long it waits for a sign of something new before it looks all the same. */
const pollMs = 1_000;
/** How old the time at the end may be in the store while nothing comes. */
const renewMs = 60 * 60 * 1000;

/** Follows until the signal is aborted. @throws what the log or the store throws: call it again, it goes on. */
export async function follow<Item>(following: Following<Item>, signal: AbortSignal): Promise<void> {
  const { source, feed } = following;
  while (!signal.aborted) {
    await catchUp(following, signal);
    await source.log.waitForAppend([feed.topic], pollMs, signal);
  }
}

/** Reads up to the end that is now; without a topic, nothing. @throws what the log or the store throws. */
export async function catchUp<Item>(following: Following<Item>, signal?: AbortSignal): Promise<void> {
  for (;;) {
    const now = following.clock.now();
    const extent = await following.source.log.extent(following.feed.topic);
    if (extent === null) return;
    try {
      await readTo(extent, { following, now, position: await placed(following, extent, now) }, signal);
      return;
    } catch (error) {
      // The topic went, or lost its beginning, in the middle: the rules say what that means.
      if (!isRangeGone(error)) throw error;
    }
  }
}

/** The position to read from. That one must start over is stored at once: later its reason may be hidden. */
async function placed<Item>(
  { store, startsOver }: Following<Item>,
  extent: TopicExtent,
  now: number,
): Promise<Position> {
  const stored = await store.load();
  const reason = startOverReason(stored, extent, now);
  if (reason === null && stored !== null) return stored;
  const { generation, start, end } = extent;
  const position = { generation, next: start, atEnd: now, round: (stored?.round ?? 0) + 1, sweepAt: end };
  startsOver(reason ?? "new");
  await store.apply({ items: [], changeset: null, position });
  return position;
}

type Reading<Item> = { readonly following: Following<Item>; readonly now: number; readonly position: Position };

/** Reads from the position to the end of the extent, and sweeps when that ends a start over. */
async function readTo<Item>(extent: TopicExtent, reading: Reading<Item>, signal?: AbortSignal): Promise<void> {
  const { following, now } = reading;
  const { source, feed, store } = following;
  const { generation, end } = extent;
  let { position } = reading;
  const apply = async ({ items, changeset, next }: Part<Item>): Promise<void> => {
    position = { ...position, next, atEnd: next === end ? now : position.atEnd };
    await store.apply({ items, changeset, position });
  };
  for await (const records of source.log.scan({ topic: feed.topic, generation, from: position.next, to: end })) {
    for await (const part of partsOf(following, records)) await apply(part);
    if (signal?.aborted === true) return;
  }
  // Compaction may have taken the last records; and now and then it is stored that nothing came.
  if (position.next < end || now - position.atEnd > renewMs) await apply({ items: [], changeset: null, next: end });
  if (position.sweepAt !== null) await store.sweep({ ...position, sweepAt: null });
}

type Part<Item> = Pick<Batch<Item>, "items" | "changeset"> & { readonly next: number };

/** Cuts what was read after each changeset. */
async function* partsOf<Item>(
  { source, feed }: Following<Item>,
  records: readonly StoredRecord[],
): AsyncGenerator<Part<Item>> {
  let items: Item[] = [];
  let changeset: number | null = null;
  for (const [index, record] of records.entries()) {
    let item: Item | null;
    try {
      item = feed.itemOf(source, record);
      changeset = feed.changesetOf(source, record);
    } catch (error) {
      if (record.value === null || !isAppError(error, "registry.unknown-schema")) throw error;
      // A form that was registered after this process had started.
      await Promise.all([source.codec.load(record.value), source.changes.load(record.value)]);
      item = feed.itemOf(source, record);
      changeset = feed.changesetOf(source, record);
    }
    if (item !== null) items.push(item);
    if (changeset === null && index < records.length - 1) continue;
    yield { items, changeset, next: record.offset + 1 };
    items = [];
  }
}
