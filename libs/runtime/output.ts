// What a command answers goes through here to stdout.
// It keeps true that a reader which has seen enough (`rollcall changes | head`) ends the command quietly,
// and that a slow reader slows the writer down instead of filling the memory.

import { once } from "node:events";

/**
 * Ends the process with 0 once nobody reads its stdout any more, instead of crashing with EPIPE.
 * Called once, first thing in a command. `onClosed` replaces the exit for commands that must finish first.
 */
export function endWhenOutputCloses(onClosed: () => void = () => process.exit(0)): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    onClosed();
  });
}

/** Writes text as it is; resolves when more may be written. After the reader went away it resolves at once. */
export async function writeOut(text: string): Promise<void> {
  if (process.stdout.destroyed || process.stdout.write(text)) return;
  const settled = new AbortController();
  const { signal } = settled;
  try {
    await Promise.race([once(process.stdout, "drain", { signal }), once(process.stdout, "close", { signal })]);
  } catch (thrown) {
    // `once` rejects on the stream's error event, which endWhenOutputCloses has dealt with.
    if (!process.stdout.destroyed) throw thrown;
  } finally {
    settled.abort();
  }
}
