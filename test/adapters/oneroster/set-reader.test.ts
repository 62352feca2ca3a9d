// Folders and archives as they are delivered, and those that must not be trusted.

import { once } from "node:events";
import { createWriteStream, cpSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";

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
  t.equal(report.groups.filter((group) => group.code === "pkg.unknown_file").length, 2);
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
    set.notes.map((note) => note.file),
    ["sub", "users.csv"],
  );
  const [orgs] = set.entries;
  t.match(orgs === undefined ? "" : await text(await orgs.open()), "Larkspur");
});
