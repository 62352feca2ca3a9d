// The landing folder: what comes back, and how it fails.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";

import t from "tap";

import { FolderLanding } from "../../../libs/adapters/landing/folder.ts";
import { parseDeliveryId, parseDistrictId } from "../../../libs/domain/ids.ts";

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

t.test("what is deleted is gone, twice is harmless, and other districts keep theirs", async (t) => {
  const { root, landing } = freshFolder();
  const [one, other] = [await landing.put("a.csv", parts(1)), await landing.put("b.csv", parts(2))];
  const documents = ["oak.files.1", "oak.files.12", "oak-east.files.1"].flatMap((id) => parseDeliveryId(id) ?? []);
  for (const id of documents) await landing.putDocument(id, "report.json", "{}");
  const oak = parseDistrictId("oak");
  if (oak === null) throw new Error("oak is a district id");
  for (let i = 0; i < 2; i++) {
    await landing.deleteContent(one.sha256);
    await landing.deleteDocuments(oak);
  }
  t.strictSame([await landing.has(one.sha256), await landing.has(other.sha256)], [false, true]);
  const found = await Promise.all(documents.map((id) => landing.document(id, "report.json")));
  t.strictSame(found, [null, null, "{}"]);
  const hashes: string[] = [];
  for await (const some of landing.contents()) hashes.push(...some);
  t.strictSame(hashes, [other.sha256]);
  const unfinished = join(root, "incoming", "cut-short");
  writeFileSync(unfinished, "canary");
  await landing.deleteUnfinished(60_000);
  t.ok(existsSync(unfinished), "it may still be at work");
  await landing.deleteUnfinished(-60_000);
  t.notOk(existsSync(unfinished));
});

/** A file system of its own of one megabyte; null where this user may not make one. */
function tinyFileSystem(): string | null {
  const root = mkdtempSync(join(tmpdir(), "rollcall-full-"));
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", root], { stdio: "ignore" });
  } catch {
    return null;
  }
  t.teardown(() => execFileSync("umount", [root]));
  return root;
}

const tiny = tinyFileSystem();
const skip = tiny === null && "only root can make a file system";

t.test("on a full disk storing fails as what may pass, and leaves nothing behind", { skip }, async (t) => {
  const root = tiny ?? "";
  const landing = new FolderLanding(root);
  const kept = await landing.put("orgs.csv", parts(400_000));
  const full = { code: "landing.io", retryable: true, cause: { code: "ENOSPC" } };
  await t.rejects(landing.put("users.csv", parts(300_000, 300_000, 300_000)), full);
  const [id] = ["oak.files.1"].flatMap((text) => parseDeliveryId(text) ?? []);
  if (id === undefined) throw new Error("it is a delivery's id");
  await t.rejects(landing.putDocument(id, "report.json", "x".repeat(900_000)), full);
  t.strictSame(readdirSync(join(root, "incoming")), [], "no half of a file takes up room");
  const hashes: string[] = [];
  for await (const some of landing.contents()) hashes.push(...some);
  t.strictSame(hashes, [kept.sha256], "nothing half-written is found under a hash");
  t.equal(await landing.document(id, "report.json"), null);
  t.equal((await buffer(landing.open(kept.sha256))).length, 400_000, "what was there before is whole");
  const again = await landing.put("users.csv", parts(300_000));
  t.ok(await landing.has(again.sha256), "what finds room is stored");
});

t.test("a source that breaks off leaves nothing under a hash", async (t) => {
  const { root, landing } = freshFolder();
  const cut = async function* (): AsyncGenerator<Uint8Array> {
    yield* parts(100_000);
    throw new Error("the connection was closed");
  };
  await t.rejects(landing.put("users.csv", cut()), { code: "landing.io", cause: { message: /connection/u } });
  t.strictSame(readdirSync(join(root, "incoming")), []);
  t.notOk(existsSync(join(root, "content")));
});
