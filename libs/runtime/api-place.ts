// Where the HTTP API of this data folder is, for commands of the same user.
// It keeps true that the token which stands there can be read by its own user alone.

import { rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** Where an API is, and a token with the role operator. */
export type ApiPlace = { readonly url: string; readonly token: string };

/** The file, in the data folder. */
export const apiPlaceFile = "ops.json";

/** Says to other commands of this user where the API is. */
export async function announceApi(dataDir: string, { url, token }: ApiPlace): Promise<void> {
  const path = join(dataDir, apiPlaceFile);
  const unfinished = `${path}.${process.pid}`;
  await rm(unfinished, { force: true });
  await writeFile(unfinished, JSON.stringify({ url, token }), { mode: 0o600 });
  await rename(unfinished, path);
}

export async function withdrawApi(dataDir: string): Promise<void> {
  await rm(join(dataDir, apiPlaceFile), { force: true });
}
