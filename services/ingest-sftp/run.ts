// What ingest-sftp does in one process: sees deliveries through to their end, and watches what districts drop.

import { type DropsPlace, runDrops } from "./drops.ts";
import { type IngestTimes, runIngest } from "./service.ts";

/** Works until the signal is aborted. @throws AppError when the world fails: what called starts it again. */
export async function runIngestAndDrops(
  context: Parameters<typeof runIngest>[0],
  { times, drops }: { readonly times: IngestTimes; readonly drops: DropsPlace },
  signal: AbortSignal,
): Promise<void> {
  const stop = new AbortController();
  const both = AbortSignal.any([signal, stop.signal]);
  const running = [runIngest(context, times, both), runDrops(context, drops, both)];
  try {
    await Promise.race(running);
  } finally {
    stop.abort();
    await Promise.allSettled(running);
  }
}
