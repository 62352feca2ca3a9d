// The landing folder: what comes back, and how it fails.

import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";

import t from "tap";

import { FolderLanding } from "../../../libs/adapters/landing/folder.ts";

const absent = "0".repeat(64);

function freshFolder(): { readonly root: string; readonly landing: FolderLanding } {
  const root = mkdtempSync(join(tmpdir(), "rollcall-landing-"));
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  return { root, landing: new FolderLanding(root) };
}

async function* parts(...sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  for (const [index, size] of sizes.entries()) yield await Promise.resolve(Buffer.alloc(size, index));
}

t.test("content comes back byte for byte, as often as it is opened", async (t) => {
  const { landing } = freshFolder();
  const { sha256, bytes } = await landing.put("users.csv", parts(10, 300_000, 1));
  t.equal(bytes, 300_011);
  const expected = await buffer(parts(10, 300_000, 1));
  t.same(await buffer(landing.open(sha256)), expected);
  t.same(await buffer(landing.open(sha256)), expected);
});

t.test("content that is not there, or cannot be read, is an error of landing that may pass", async (t) => {
  const { root, landing } = freshFolder();
  await t.rejects(buffer(landing.open(absent)), { code: "landing.io", retryable: true, cause: { code: "ENOENT" } });
  mkdirSync(join(root, "content", "00", absent), { recursive: true });
  await t.rejects(buffer(landing.open(absent)), { code: "landing.io", retryable: true, cause: { code: "EISDIR" } });
});

t.test("a reader that stops in the middle leaves nothing open", async (t) => {
  const { landing } = freshFolder();
  const { sha256 } = await landing.put("users.csv", parts(1_000_000));
  const stream = landing.open(sha256);
  for await (const chunk of stream) {
    t.ok(chunk);
    break;
  }
  t.ok(stream.destroyed);
});
