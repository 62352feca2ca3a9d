// Reads a collection page by page so that nothing of it can be lost, or says that it was not seen whole.
// It keeps true: what is returned holds every record that was there from the first request to the last.
//
// How a page is known to follow the one before: it is asked for from one record earlier, and must begin with the last
// record received. Then nothing slipped between the two, whatever else was added or deleted meanwhile, which no total
// shows (one added, one deleted: the total stays). Offsets are counted by what was received. A server that rounds
// offsets, or refuses them, is read by plain offsets, and then two readings must see the same ids in the same order.
// Links are followed only where they name no offset and the source does not understand offsets, because our own count is
// the better one; then, too, two readings must see the same.
//
// How the end is proved:
//   the last record alone where it was, then nothing behind it (empty, 404 or   the end, if no total says otherwise
//   400; twice, unless a total that was ahead is reached), then the last
//   record alone again
//   a short page, or a total that is reached                                    no end: asked as above
//   nothing behind the last record, and the total is not reached                asked with patience; then incomplete
//   an empty page or 404 at the last record's own place                         asked with patience; then read again from
//                                                                               the beginning, as below
//   400 at the last record's own place                                          plain offsets are tried
//   no link on a page that was reached by a link                                the end, once two readings are the same
//   a link that leads to nothing new                                            incomplete, unless the total is reached
//   the first page whatever is asked: longer than asked for, or when one         the end
//   record is asked for the same again, or one and the same total
//   the first page whatever is asked, else                                      incomplete
//   the total shrank                                                            incomplete
//   the last record is not where it was; pages show                            read again from the beginning, up to
//   nothing new                                                                 3 times; then incomplete
//   ids that came twice; a page of which it is not known what it follows        read again, until a reading has none, or
//                                                                               sees the same as the one before
//   more ids than the total; a total that is less than the records before and   the total is not believed
//   in its own answer; one that is no number
//   an empty first page, or 404                                                 asked again once; pull.ts judges it, but
//                                                                               not where records were seen before
// What cannot be seen: a source that hides records in the same way each time, and counts without them.

import type { Patience, OneRosterApi } from "./api.ts";
import { Asker, type Target } from "./asker.ts";
import { type Finished, type PageSink, Reading } from "./reading.ts";

/** From the beginning: once, and three times more. */
const mostReadings = 4;

export type ReadCollection =
  | { readonly outcome: "read"; readonly items: number; readonly total: number | null }
  /** The source answers 404 for the collection. */
  | { readonly outcome: "absent" };

/**
 * @param options.sink gets the pages; `restart` says that those before do not count.
 * @throws AppError `api.incomplete` when the collection was not seen whole; and what `api.get` throws.
 */
export async function readCollection(options: {
  readonly api: OneRosterApi;
  readonly target: Target;
  readonly sink: PageSink;
  readonly patience: Patience;
  readonly signal: AbortSignal;
}): Promise<ReadCollection> {
  const { sink } = options;
  const asker = new Asker(options);
  let before: Finished | null = null;
  let lost = 0;
  let seen = 0;
  let reason = "";
  for (let readings = 1; readings <= mostReadings; readings++) {
    if (readings > 1) {
      await asker.pause(readings - 1);
      await sink.restart();
    }
    const result = await new Reading({ asker, sink, overlaps: lost < 2 }).run();
    const items = result.outcome === "absent" ? 0 : result.items;
    if (items === 0 && seen > 0) {
      reason = `${seen} records were there, and then none`;
      continue;
    }
    seen = Math.max(seen, items);
    if (result.outcome === "absent") return result;
    if (result.outcome === "moved") {
      // Where a page did begin with the last record of the one before, offsets are honoured: then it is the records that moved.
      if (result.why === "offsets" && result.pages <= 1) lost += 1;
      reason = result.reason;
      continue;
    }
    const doubt = doubtOf(result, before);
    if (doubt === null) return { outcome: "read", items: result.items, total: result.total };
    if (doubt.isFinal) throw asker.incomplete(doubt.reason, { items: result.items, total: result.total });
    reason = doubt.reason;
    before = result;
  }
  throw asker.incomplete(`${reason}, each time that it was read`);
}

type Doubt = { readonly reason: string; readonly isFinal: boolean };

/** Why a reading that came to an end is not believed; null when it is. */
function doubtOf(reading: Finished, before: Finished | null): Doubt | null {
  const { items, distinct, total, loose } = reading;
  const isSame = before?.print === reading.print;
  const isMoving = distinct < items || loose > 0 || reading.hasTotalChanged;
  // Rows that come twice in each reading are the source's own: a total may count them, or not.
  if (total !== null && distinct !== total && !(isSame && items === total))
    return { reason: `${distinct} of ${total} records came`, isFinal: isSame || !isMoving };
  if (isSame) return null;
  if (distinct < items) return { reason: `${items - distinct} records came twice`, isFinal: false };
  return loose > 0 ? { reason: "its pages do not fit together", isFinal: false } : null;
}
