// Makes the names in a folder durable, for every adapter that keeps files.

import { open } from "node:fs/promises";

/** What was made, renamed or deleted in the folder is durable when it resolves. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
