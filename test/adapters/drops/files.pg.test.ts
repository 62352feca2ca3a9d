// The files of a source: what counts as whole, who may write, and that nobody leaves the folder.

import { spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { linkSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import t from "tap";

import { Drops, type DropsAbout } from "../../../libs/adapters/drops/drops.ts";
import type { DropFiles } from "../../../libs/adapters/drops/files.ts";
import { placeOf } from "../../../libs/adapters/drops/place.ts";
import { lockSource, tearLeftOpen } from "../../../libs/adapters/drops/rows.ts";
import { FileRefusal, type RefusalCode, type Upload } from "../../../libs/adapters/sftp/district-files.ts";
import { parseSourceId } from "../../../libs/domain/ids.ts";
import { addDistrict, districtNamed, freshSystem, type TestSystem } from "../../support/system.ts";
import type { Teardown } from "../../support/teardown.ts";

const source = parseSourceId("sftp") ?? neverHappens();
const address = "198.51.100.7";
const fresh = { create: true, exclusive: false, truncate: true };
const resumed = { create: false, exclusive: false, truncate: false };

function neverHappens(): never {
  throw new Error("sftp is a source id");
}

const text = (words: string): Uint8Array => Buffer.from(words);

async function freshDrops(t: Teardown): Promise<{
  readonly system: TestSystem;
  readonly drops: Drops;
  readonly files: DropFiles;
  readonly folder: string;
  readonly states: () => Promise<Readonly<Record<string, string>>>;
}> {
  const system = await freshSystem(t);
  const district = await addDistrict(system, "oak");
  await system.sql("sources").insert({ district, id: source, kind: "sftp" });
  const drops = await openDrops(t, system);
  const states = async (): Promise<Readonly<Record<string, string>>> => {
    const rows: readonly { readonly path: string; readonly state: string }[] = await system
      .sql("drop_files")
      .orderBy("path")
      .select("path", "state");
    return Object.fromEntries(rows.map(({ path, state }) => [path, state]));
  };
  const files = drops.files({ district, source }, address);
  return { system, drops, files, folder: placeOf(drops.root, { district, source }).files, states };
}

async function openDrops(t: Teardown, system: TestSystem, about: Partial<DropsAbout> = {}): Promise<Drops> {
  const drops = await Drops.open({ sql: system.sql, root: join(system.folder, "drops"), ...about });
  t.teardown(() => drops.close());
  return drops;
}

async function put(files: DropFiles, path: string, words: string): Promise<void> {
  const upload = await files.openWrite(path, fresh);
  upload.write(0, text(words));
  await upload.close();
}

/** The code with which the work is refused. */
async function refusal(work: () => unknown): Promise<RefusalCode | "none"> {
  try {
    await work();
    return "none";
  } catch (error) {
    if (error instanceof FileRefusal) return error.code;
    throw error;
  }
}

t.test("a file counts once it is closed, and what was cut short is torn until it is resumed (A036)", async (t) => {
  const { files, folder, states, system } = await freshDrops(t);
  const upload = await files.openWrite("/users.csv", fresh);
  upload.write(0, text("half"));
  t.same(await states(), { "/users.csv": "open" });
  upload.write(100, text("behind a gap"));
  await upload.abandon();
  t.same(await states(), { "/users.csv": "torn" });
  t.equal(readFileSync(join(folder, "users.csv"), "utf8"), "half", "nobody resumes behind a gap");
  t.equal((await files.about("/users.csv")).bytes, 4);
  t.same(await system.sql("drop_files").pluck("bytes"), [4], "and the waiting state can tell how far it came");
  const again = await files.openWrite("/users.csv", resumed);
  again.write(4, text(" and whole"));
  await again.close();
  await again.close();
  t.same(await states(), { "/users.csv": "closed" });
  t.equal(readFileSync(join(folder, "users.csv"), "utf8"), "half and whole");
  const download = await files.openRead("/users.csv");
  t.equal(Buffer.from(download.read(5, 100) ?? []).toString(), "and whole");
  t.equal(download.read(14, 1), null);
  download.close();
});

t.test("of two uploads of one process the newer goes on; another process is busy, until it is gone", async (t) => {
  const { system, files, drops, folder, states } = await freshDrops(t);
  const old = await files.openWrite("/users.csv", fresh);
  old.write(0, text("old"));
  const newer = await files.openWrite("/users.csv", fresh);
  t.equal(await refusal(() => old.write(3, text("late"))), "failed");
  t.equal(await refusal(() => old.close()), "failed");
  await old.abandon();
  t.same(await states(), { "/users.csv": "open" }, "its end is not the newer one's");
  newer.write(0, text("newer"));

  const other = await openDrops(t, system);
  const elsewhere = other.files({ district: districtNamed("oak"), source }, address);
  t.equal(await refusal(() => elsewhere.openWrite("/users.csv", fresh)), "busy");
  t.equal(await refusal(() => elsewhere.remove("/users.csv")), "busy");
  t.equal(await refusal(() => elsewhere.rename({ from: "/users.csv", to: "/x.csv", overwrite: true })), "busy");
  await newer.close();
  t.equal(readFileSync(join(folder, "users.csv"), "utf8"), "newer");

  const lost = await files.openWrite("/orgs.csv", fresh);
  // As if the process had died: its lease is not renewed.
  await system.sql("leases").where({ holder: drops.holder }).update({ expires_at: "-infinity" });
  t.equal(await tearLeftOpen(system.sql), 1);
  t.same(await states(), { "/orgs.csv": "torn", "/users.csv": "closed" });
  t.equal(await refusal(() => lost.close()), "failed", "what was torn meanwhile is not whole");
  await put(elsewhere, "/orgs.csv", "whole");
  t.same(await states(), { "/orgs.csv": "closed", "/users.csv": "closed" });
});

t.test("a process that slept while others took it for gone writes to nothing that counts", async (t) => {
  const { system, files, drops, folder } = await freshDrops(t);
  const other = await openDrops(t, system);
  const elsewhere = other.files({ district: districtNamed("oak"), source }, address);
  const empty = await files.openWrite("/orgs.csv", fresh);
  const begun = await files.openWrite("/users.csv", fresh);
  begun.write(0, text("begun"));
  const half = await files.openWrite("/roles.csv", fresh);
  half.write(0, text("half"));
  await system.sql("leases").where({ holder: drops.holder }).update({ expires_at: "-infinity" });
  t.equal(await tearLeftOpen(system.sql), 3);
  await put(elsewhere, "/orgs.csv", "whole");
  await put(elsewhere, "/users.csv", "whole");
  const resumedElsewhere = await elsewhere.openWrite("/roles.csv", resumed);
  resumedElsewhere.write(4, text(" and whole"));
  await resumedElsewhere.close();
  for (const slept of [empty, begun, half]) {
    slept.write(0, text("SLEPT"));
    t.equal(await refusal(() => slept.close()), "failed");
  }
  for (const [name, words] of Object.entries({ orgs: "whole", users: "whole", roles: "half and whole" }))
    t.equal(readFileSync(join(folder, `${name}.csv`), "utf8"), words, name);
});

t.test("a process that is cut off from the database writes no more once others may", async (t) => {
  const { system } = await freshDrops(t);
  const drops = await openDrops(t, system, { leaseMs: 300 });
  const files = drops.files({ district: districtNamed("oak"), source }, address);
  const upload = await files.openWrite("/users.csv", fresh);
  await sleep(600);
  upload.write(0, text("while the lease is renewed"));
  const silence = await system.sql.transaction();
  await silence.raw("lock table leases");
  await sleep(600);
  t.equal(await refusal(() => upload.write(0, text("after it"))), "failed");
  await silence.rollback();
  t.equal(await refusal(() => upload.close()), "failed");
});

t.test("names change, files go, folders come and go, as a client asks", async (t) => {
  const { files, folder, states, system } = await freshDrops(t);
  await put(files, "/users.csv.part", "users");
  await files.rename({ from: "/users.csv.part", to: "/users.csv", overwrite: false });
  await put(files, "/orgs.csv", "orgs");
  t.equal(await refusal(() => files.rename({ from: "/orgs.csv", to: "/users.csv", overwrite: false })), "exists");
  await files.rename({ from: "/orgs.csv", to: "/users.csv", overwrite: true });
  t.equal(readFileSync(join(folder, "users.csv"), "utf8"), "orgs");
  await files.makeFolder("/in");
  await put(files, "/in/users.csv", "inside");
  await files.rename({ from: "/in", to: "/ün%_", overwrite: true });
  t.same(await states(), { "/users.csv": "closed", "/ün%_/users.csv": "closed" });
  t.equal(await refusal(() => files.rename({ from: "/ün%_", to: "/ün%_/deeper", overwrite: true })), "forbidden");
  t.equal(await refusal(() => files.removeFolder("/ün%_")), "not-empty");
  await files.touch("/ün%_/users.csv", 1_000_000);
  t.equal((await files.about("/ün%_/users.csv")).modifiedAt, 1_000_000);
  await files.remove("/ün%_/users.csv");
  await files.removeFolder("/ün%_");
  const listed = (await files.list("/")).map(({ name, kind, mayWrite }) => [name, kind, mayWrite]);
  t.same(listed, [
    ["users.csv", "file", true],
    ["reports", "folder", false],
  ]);
  const events: readonly unknown[] = await system
    .sql("sftp_audit")
    .orderBy("id")
    .select("event", "path", "former_path");
  t.same(events[1], { event: "rename", path: "/users.csv", former_path: "/users.csv.part" });
  t.match(events.at(-1), { event: "delete", path: "/ün%_/users.csv" });
  t.equal(events.length, 7);
  t.equal(await refusal(() => files.openWrite("/users.csv", { ...fresh, exclusive: true })), "exists");
  t.equal(await refusal(() => files.openWrite("/none.csv", resumed)), "missing");
  t.equal(await refusal(() => files.openWrite("/no/users.csv", fresh)), "missing");
  t.equal(await refusal(() => files.remove("/none.csv")), "missing");
  await files.makeFolder("/folder");
  t.equal(await refusal(() => files.makeFolder("/folder")), "exists");
  t.equal(await refusal(() => files.openWrite("/folder", fresh)), "is-folder");
  t.equal(await refusal(() => files.remove("/folder")), "is-folder");
});

t.test("a session stays in its folder and follows no link; reports may only be read (A033)", async (t) => {
  const { files, folder, drops } = await freshDrops(t);
  await put(files, "/users.csv", "users");
  const outside = join(drops.root, "outside");
  mkdirSync(outside);
  writeFileSync(join(outside, "secret"), "secret");
  symlinkSync(join(outside, "secret"), join(folder, "link"));
  symlinkSync(outside, join(folder, "way"));
  linkSync(join(folder, "users.csv"), join(folder, "hard"));
  for (const path of ["/link", "/way", "/way/secret"]) {
    t.equal(await refusal(() => files.about(path)), "missing", path);
    t.equal(await refusal(() => files.openRead(path)), "missing", path);
    t.match(await refusal(() => files.openWrite(path, fresh)), /missing|forbidden/u, path);
  }
  t.equal(readFileSync(join(outside, "secret"), "utf8"), "secret");
  t.same((await files.list("/")).map(({ name }) => name).toSorted(), ["hard", "reports", "users.csv"]);
  for (const path of ["/../outside/secret", "/a/../../outside", "users.csv", "/a\0b", `/${"a".repeat(256)}`, "/.."])
    t.equal(await refusal(() => files.openWrite(path, fresh)), "forbidden", path);
  const reports = join(folder, "..", "reports");
  mkdirSync(reports);
  writeFileSync(join(reports, "one.txt"), "one");
  t.same(
    (await files.list("/reports")).map(({ name }) => name),
    ["one.txt"],
  );
  t.equal((await files.about("/reports/one.txt")).mayWrite, false);
  t.equal(await refusal(() => files.openWrite("/reports/one.txt", fresh)), "forbidden");
  t.equal(await refusal(() => files.remove("/reports/one.txt")), "forbidden");
  t.equal(await refusal(() => files.rename({ from: "/users.csv", to: "/reports/x", overwrite: true })), "forbidden");
  t.equal(await refusal(() => files.removeFolder("/reports")), "forbidden");
  t.equal(await refusal(() => files.openRead("/reports/../files/users.csv")), "forbidden");
});

t.test("a file above the limit is full and torn, and an account that was closed writes no more", async (t) => {
  const { files, states, system } = await freshDrops(t);
  const upload: Upload = await files.openWrite("/users.csv", fresh);
  upload.write(0, text("some"));
  t.equal(await refusal(() => upload.write(16e9, text("more"))), "full");
  t.equal(await refusal(() => upload.close()), "full", "what was not written whole is not closed as whole");
  t.same(await states(), { "/users.csv": "torn" });
  const open = await files.openWrite("/users.csv", fresh);
  await system.sql("sources").update({ disabled_at: new Date() });
  t.equal(await refusal(() => open.close()), "forbidden");
  t.equal(await refusal(() => files.openWrite("/orgs.csv", fresh)), "forbidden");
});

t.test("a file grows by what is written only, and not far behind its end", async (t) => {
  const { files, states } = await freshDrops(t);
  const upload = await files.openWrite("/users.csv", fresh);
  t.equal(await refusal(() => upload.truncate(16e9)), "forbidden");
  upload.write(0, text("users"));
  upload.truncate(4);
  await upload.close();
  t.equal((await files.about("/users.csv")).bytes, 4);
  const behind = await files.openWrite("/orgs.csv", fresh);
  t.equal(await refusal(() => behind.write(15e9, text("far"))), "forbidden");
  t.equal(await refusal(() => behind.close()), "forbidden");
  t.same(await states(), { "/orgs.csv": "torn", "/users.csv": "closed" });
});

t.test("a source has no more in its folder than it may, in all files and sets together", async (t) => {
  const { system } = await freshDrops(t);
  const drops = await openDrops(t, system, { limits: { sourceBytes: 100 } });
  const files = drops.files({ district: districtNamed("oak"), source }, address);
  await put(files, "/users.csv", "u".repeat(60));
  const [one, other] = [await files.openWrite("/orgs.csv", fresh), await files.openWrite("/roles.csv", fresh)];
  one.write(0, Buffer.alloc(20));
  one.write(0, Buffer.alloc(20));
  other.write(0, Buffer.alloc(20));
  t.equal(await refusal(() => other.write(20, Buffer.alloc(1))), "full");
  await one.close();
  await other.abandon();
  await files.remove("/roles.csv");
  await put(files, "/users.csv", "u".repeat(80));
  const row = { id: randomUUID(), district: "oak", source, state: "taken", complete_at: new Date() };
  const set = JSON.stringify([{ name: "users.csv", bytes: 1, receivedAt: "" }]);
  await system.sql("drop_sets").insert({ ...row, files: set, taken_at: new Date() });
  t.equal(await refusal(() => put(files, "/users.csv", "u".repeat(80))), "full");
});

t.test("however much one source asks at once, others have the database", async (t) => {
  const { system, files } = await freshDrops(t);
  const key = { district: districtNamed("oak"), source };
  const locked = await system.sql.transaction();
  await lockSource(locked, key);
  const waiting = Array.from({ length: 40 }, (_, each) => put(files, `/${each}.csv`, "some"));
  await sleep(100);
  const asked = performance.now();
  await system.sql("districts").first("id");
  t.ok(performance.now() - asked < 2_000, "a connection is free");
  await locked.commit();
  await Promise.all(waiting);
  t.equal((await files.list("/")).length, 41);
});

t.test("uploads leave the disk a reserve", async (t) => {
  const { system, drops, files, states } = await freshDrops(t);
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=1m", "none", drops.root]).status === 0;
  if (!mounted) return t.pass("skipped: only root can make a small disk");
  t.teardown(() => void spawnSync("umount", ["-l", drops.root]));
  await put(files, "/users.csv", "users");
  const large = await files.openWrite("/orgs.csv", fresh);
  large.write(0, Buffer.alloc(700_000));
  t.equal(await refusal(() => large.write(700_000, Buffer.alloc(300_000))), "full");
  await large.abandon();
  t.same(await states(), { "/orgs.csv": "torn", "/users.csv": "closed" });
  t.same(await system.sql("drop_files").where({ path: "/orgs.csv" }).pluck("bytes"), [700_000]);
});

t.test("a full disk is told, and loses nothing that was closed", async (t) => {
  const { files, folder, states } = await freshDrops(t);
  mkdirSync(folder, { recursive: true });
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=1m", "none", folder]).status === 0;
  if (!mounted) return t.pass("skipped: only root can make a small disk");
  t.teardown(() => void spawnSync("umount", ["-l", folder]));
  await put(files, "/users.csv", "users");
  const large = await files.openWrite("/enrollments.csv", fresh);
  large.write(0, Buffer.alloc(700_000));
  t.equal(await refusal(() => large.write(700_000, Buffer.alloc(700_000))), "full");
  t.equal(await refusal(() => large.close()), "full");
  t.same(await states(), { "/enrollments.csv": "torn", "/users.csv": "closed" });
  t.equal((await files.about("/enrollments.csv")).bytes, 700_000, "what was acknowledged is there to be resumed");
  t.equal(readFileSync(join(folder, "users.csv"), "utf8"), "users");
});

t.test("parts may come in any order, and a file with a gap is not closed as whole", async (t) => {
  const { files, folder, states } = await freshDrops(t);
  const upload = await files.openWrite("/users.csv", fresh);
  for (const [offset, words] of [
    [4, "c"],
    [2, "b"],
    [0, "a"],
    [3, "B"],
    [5, "C"],
    [1, "A"],
  ] as const)
    upload.write(offset, text(words));
  await upload.close();
  t.equal(readFileSync(join(folder, "users.csv"), "utf8"), "aAbBcC");
  const behind = await files.openWrite("/orgs.csv", fresh);
  behind.write(0, text("orgs"));
  behind.write(9, text("later"));
  behind.write(5, text("mid"));
  t.equal(await refusal(() => behind.close()), "failed");
  t.same(await states(), { "/orgs.csv": "torn", "/users.csv": "closed" });
  t.equal((await files.about("/orgs.csv")).bytes, 4, "it is resumed from where it was whole");
});
