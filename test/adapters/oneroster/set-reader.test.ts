// Folders and archives as they are delivered, and those that must not be trusted.

import { once } from "node:events";
import { createWriteStream, cpSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";

import t from "tap";
import { ZipFile } from "yazl";

import { defaultSetLimits, openSet } from "../../../libs/adapters/oneroster/set-reader.ts";
import { defaultPolicy } from "../../../libs/domain/policy.ts";
import { validatePath } from "../../../libs/ingest/validate.ts";

const fixture = new URL("../../fixtures/v12-bulk", import.meta.url).pathname;

async function zipOf(path: string, files: Readonly<Record<string, string | Buffer>>, mode?: number): Promise<string> {
  const zip = new ZipFile();
  for (const [name, content] of Object.entries(files)) {
    zip.addBuffer(Buffer.from(content), name, mode === undefined ? {} : { mode });
  }
  zip.end();
  const out = createWriteStream(path);
  zip.outputStream.pipe(out);
  await once(out, "close");
  return path;
}

function fixtureFiles(prefix = ""): Record<string, Buffer> {
  return Object.fromEntries(readdirSync(fixture).map((name) => [prefix + name, readFileSync(join(fixture, name))]));
}

/** Replaces a name in the bytes of an archive by one of equal length, which no honest writer would allow. */
function forge(path: string, from: string, to: string): void {
  writeFileSync(path, readFileSync(path).toString("latin1").replaceAll(from, to), "latin1");
}

void t.test("a zip gives the same verdict as its folder", async (t) => {
  const zip = await zipOf(join(t.testdir(), "set.zip"), fixtureFiles());
  const folder = await validatePath(fixture, defaultPolicy);
  t.strictSame(await validatePath(zip, defaultPolicy), folder);
  t.equal(folder.verdict.outcome, "accepted");
});

void t.test("one folder in a zip is tolerated and told, litter is left alone", async (t) => {
  const files = { ...fixtureFiles("export/"), "__MACOSX/export/._users.csv": "x", "export/.DS_Store": "x" };
  const { verdict, report } = await validatePath(await zipOf(join(t.testdir(), "set.zip"), files), defaultPolicy);
  t.equal(verdict.outcome, "accepted");
  t.equal(verdict.tolerated["zip.folder"], 1);
  t.strictSame(
    report.groups.map(({ code, file, count }) => [code, file, count]),
    [
      ["zip.folder", "export/", 1],
      ["pkg.litter", null, 1],
    ],
  );
});

void t.test("near misses are told with the name that was meant, and not read", async (t) => {
  const names = ["Users.csv", "users.CSV", "users.csv.txt", "academicsessons.csv", "orgs (1).csv", "notes.txt"];
  const set = await openSet(
    await zipOf(join(t.testdir(), "set.zip"), Object.fromEntries(names.map((name) => [name, "x"]))),
  );
  t.strictSame(set.entries, []);
  const meant = new Map(set.notes.flatMap((note) => ("suggestion" in note ? [[note.file, note.suggestion]] : [])));
  t.strictSame(
    names.map((name) => meant.get(name)),
    ["users.csv", "users.csv", "users.csv", "academicSessions.csv", "orgs.csv", null],
  );
  set.close();
  set.close();
});

void t.test("archives that cannot be trusted are refused with the reason", async (t) => {
  const dir = t.testdir();
  const refuse = async (path: string, reason: RegExp, limits = defaultSetLimits): Promise<void> => {
    await t.rejects(openSet(path, limits), { code: "set.unreadable", message: reason }, String(reason));
  };
  const files = { "users.csv": "a\n", "orgs.csv": "b\n" };
  const climbing = await zipOf(join(dir, "climbing.zip"), { "abc/users.csv": "a\n" });
  forge(climbing, "abc/users.csv", "../ausers.csv");
  await refuse(climbing, /outside the archive/u);
  const absolute = await zipOf(join(dir, "absolute.zip"), { "abusers.csv": "a\n" });
  forge(absolute, "abusers.csv", "/busers.csv");
  await refuse(absolute, /outside the archive/u);
  const twice = await zipOf(join(dir, "twice.zip"), { "users.csv": "a\n", "usern.csv": "b\n" });
  forge(twice, "usern.csv", "users.csv");
  await refuse(twice, /two entries named users\.csv/u);
  await refuse(
    await zipOf(join(dir, "several.zip"), { "a/users.csv": "a\n", "orgs.csv": "b\n" }),
    /several or nested/u,
  );
  await refuse(await zipOf(join(dir, "nested.zip"), { "a/b/users.csv": "a\n" }), /several or nested/u);
  await refuse(await zipOf(join(dir, "link.zip"), { "users.csv": "/etc/hosts" }, 0o120777), /is a link/u);
  await refuse(await zipOf(join(dir, "bomb.zip"), { "users.csv": "0".repeat(2e6) }), /250 times its size/u);
  await refuse(await zipOf(join(dir, "big.zip"), files), /more than 1 bytes/u, { ...defaultSetLimits, entryBytes: 1 });
  await refuse(await zipOf(join(dir, "many.zip"), files), /more than 1 entries/u, { ...defaultSetLimits, entries: 1 });
  const whole = readFileSync(await zipOf(join(dir, "whole.zip"), files));
  writeFileSync(join(dir, "half.zip"), whole.subarray(0, whole.length / 2));
  await refuse(join(dir, "half.zip"), /only a part/u);
  await refuse(join(dir, "nothing"), /no such file/u);
});

void t.test("an entry whose bytes are not those that were packed refuses the set", async (t) => {
  const path = join(t.testdir(), "set.zip");
  const zip = new ZipFile();
  for (const [name, content] of Object.entries(fixtureFiles())) zip.addBuffer(content, name, { compress: false });
  zip.end();
  const out = createWriteStream(path);
  zip.outputStream.pipe(out);
  await once(out, "close");
  forge(path, "Moreno", "Morena");
  const { verdict } = await validatePath(path, defaultPolicy);
  t.match(verdict.refusal, /users\.csv is damaged/u);
  t.equal(verdict.types.user.absence, false);
});

void t.test("a stream does not fail before it is read", async (t) => {
  const path = await zipOf(join(t.testdir(), "set.zip"), { "users.csv": "sourcedId\r\n".repeat(1000) });
  const bytes = readFileSync(path);
  const at = bytes.indexOf("users.csv") + "users.csv".length + 2;
  bytes.writeUInt8(bytes.readUInt8(at) ^ 0xff, at);
  writeFileSync(path, bytes);
  const set = await openSet(path);
  const folder = t.testdir({ "users.csv": "sourcedId\r\n" });
  const gone = await openSet(folder);
  rmSync(join(folder, "users.csv"));
  for (const [entry] of [set.entries, gone.entries]) {
    if (entry === undefined) throw new Error("the set has one file");
    const stream = await entry.open();
    // Whoever opens the stream makes room for the bytes first.
    await sleep(50);
    await t.rejects(text(stream), { code: "set.unreadable", message: /users\.csv (?:is damaged|may not be read)/u });
  }
  set.close();
});

void t.test("names are told with what no terminal and no database should get as an escape", async (t) => {
  const path = await zipOf(join(t.testdir(), "set.zip"), {
    ...fixtureFiles("exQQport/"),
    "exQQport/xQQy.txt": "x",
    "red\u001b[31m\u202e.csv": "x",
  });
  forge(path, "QQ", "\0\0");
  const { report } = await validatePath(path, defaultPolicy);
  t.strictSame(
    report.groups.map(({ file }) => file),
    ["ex\\u0000\\u0000port/", "ex\\u0000\\u0000port/x\\u0000\\u0000y.txt", "red\\u001b[31m\\u202e.csv"],
  );
  const set = await openSet(path);
  t.strictSame(set.otherNames.toSorted(), ["red\\u001b[31m\\u202e.csv", "x\\u0000\\u0000y.txt"]);
  set.close();
});

void t.test("links and subfolders of a folder are told and not followed", async (t) => {
  const dir = t.testdir({ sub: { "orgs.csv": "x" } });
  cpSync(join(fixture, "orgs.csv"), join(dir, "orgs.csv"));
  symlinkSync(join(fixture, "users.csv"), join(dir, "users.csv"));
  const set = await openSet(dir);
  t.strictSame(
    set.entries.map((entry) => entry.name),
    ["orgs.csv"],
  );
  t.strictSame(
    set.notes.map((note) => ("file" in note ? note.file : null)),
    ["sub", "users.csv"],
  );
  const [orgs] = set.entries;
  t.match(orgs === undefined ? "" : await text(await orgs.open()), "Larkspur");
});
