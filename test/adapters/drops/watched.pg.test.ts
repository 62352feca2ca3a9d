// A folder that another server fills: what is remembered of it, that no link in it is followed, and that a disk which is
// silent keeps nobody waiting.

import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import t from "tap";

import { keyOf, type LyingFile, lyingFiles } from "../../../libs/adapters/drops/contents.ts";
import { factsOf } from "../../../libs/adapters/drops/facts.ts";
import { answered } from "../../../libs/adapters/drops/foreign.ts";
import { placeOf } from "../../../libs/adapters/drops/place.ts";
import { mend, setFolder, takenSets, takeSet } from "../../../libs/adapters/drops/sets.ts";
import { observe } from "../../../libs/adapters/drops/watched.ts";
import { type Source, sourceOf } from "../../../libs/adapters/postgres/sources.ts";
import { type DropDistrict, dropDistrict, quietSeconds, setOf } from "../../support/drops.ts";

const night = setOf("v12-bulk");

function put(folder: string): void {
  for (const [name, text] of night) writeFileSync(join(folder, name), text);
}

async function look({ system, root }: DropDistrict, source: Source): Promise<readonly LyingFile[]> {
  await observe(system.sql, root, { source, files: await lyingFiles(system.sql, keyOf(source)) });
  return lyingFiles(system.sql, keyOf(source));
}

/** Whether a set was taken once everything lay still. */
async function takes(district: DropDistrict, source: Source): Promise<boolean> {
  const { system, root } = district;
  await look(district, source);
  await sleep(quietSeconds * 1500);
  const facts = await factsOf(root, { source, files: await look(district, source), last: null });
  const now = system.clock.now();
  return facts !== null && takeSet(system.sql, { root, source, facts, manifestOptional: true, now });
}

t.test("what was taken stays known while the folder is empty, and longer than the files lie there", async (t) => {
  const folder = join(t.testdir({ roster: {} }), "roster");
  put(folder);
  const district = await dropDistrict(t, { kind: "folder", settings: { folder, readOnly: true } });
  const { system } = district;
  const source = await sourceOf(system.sql, district.district, district.source);
  t.equal(await takes(district, source), true);
  renameSync(folder, `${folder}.away`);
  mkdirSync(folder);
  t.equal((await look(district, source)).length, night.size, "the folder may be a disk that is away");
  await system.sql("drop_files").update({ still_since: system.sql.raw("now() - interval '91 days'") });
  t.equal((await look(district, source)).length, night.size, "however long ago it was");
  rmSync(folder, { recursive: true });
  renameSync(`${folder}.away`, folder);
  t.ok((await look(district, source)).every(({ state }) => state === "taken"));
  t.equal(await takes(district, source), false, "the old set is no new one");
  rmSync(join(folder, "users.csv"));
  t.equal((await look(district, source)).length, night.size - 1, "what is gone for good is forgotten after 90 days");
});

t.test("a folder with more than a thousand old files is looked through whole", async (t) => {
  const folder = t.testdir();
  const district = await dropDistrict(t, { kind: "folder", settings: { folder, readOnly: true } });
  const source = await sourceOf(district.system.sql, district.district, district.source);
  for (let each = 0; each < 1_100; each++) writeFileSync(join(folder, `${each}.txt`), "");
  t.equal((await look(district, source)).length, 1_100);
});

t.test("no link in the folder is followed, neither to files nor on the way to them", async (t) => {
  const base = t.testdir({ oak: { roster: {} }, elm: {} });
  const [own, other] = [join(base, "oak"), join(base, "elm")];
  put(other);
  const district = await dropDistrict(t, { kind: "folder", settings: { folder: own, path: "/roster" } });
  const source = await sourceOf(district.system.sql, district.district, district.source);
  for (const name of night.keys()) symlinkSync(join(other, name), join(own, "roster", name));
  t.same(await look(district, source), []);
  rmSync(join(own, "roster"), { recursive: true });
  mkdirSync(join(own, "roster"));
  put(join(own, "roster"));
  await look(district, source);
  await sleep(quietSeconds * 1500);
  const files = await look(district, source);
  const facts = await factsOf(district.root, { source, files, last: null });
  rmSync(join(own, "roster"), { recursive: true });
  symlinkSync(other, join(own, "roster"));
  await t.rejects(look(district, source), { code: "source.folder" });
  await t.rejects(factsOf(district.root, { source, files, last: null }), { code: "source.folder" });
  if (facts === null) throw new Error("there are facts");
  const taking = { root: district.root, source, facts, manifestOptional: true, now: 0 };
  await t.rejects(takeSet(district.system.sql, taking), { code: "source.folder" });
  t.equal(readdirSync(other).length, night.size);
});

t.test("a file that may not be read is told; one that has gone is looked for again", async (t) => {
  // Where any user may come to.
  const folder = mkdtempSync(join(tmpdir(), "watched-"));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  chmodSync(folder, 0o755);
  put(folder);
  const district = await dropDistrict(t, { kind: "folder", settings: { folder, readOnly: true } });
  const source = await sourceOf(district.system.sql, district.district, district.source);
  const files = await look(district, source);
  const facts = (): Promise<unknown> => factsOf(district.root, { source, files, last: null });
  const users = join(folder, "users.csv");
  chmodSync(users, 0);
  const isRoot = process.geteuid?.() === 0;
  // Root may read whatever there is.
  if (isRoot) process.seteuid?.(65_534);
  try {
    await t.rejects(facts(), { code: "source.folder", message: /reading a file/u });
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
  rmSync(users);
  t.equal(await facts(), null);
});

t.test("a copy without a row goes, and is not put back over what it was copied from", async (t) => {
  const folder = t.testdir();
  put(folder);
  const district = await dropDistrict(t, { kind: "folder", settings: { folder, readOnly: true } });
  const { system, root } = district;
  const source = await sourceOf(system.sql, district.district, district.source);
  t.equal(await takes(district, source), true);
  const [set] = await takenSets(system.sql, source);
  const taken = setFolder(root, source, set?.id ?? "");
  const { sets } = placeOf(root, keyOf(source));
  t.same(readdirSync(sets), [set?.id]);
  t.equal(readdirSync(taken).length, night.size);
  const copied = join(sets, "00000000-0000-4000-8000-000000000000");
  for (const place of [`${copied}.copy`, copied]) mkdirSync(place);
  for (const place of [join(copied, "other.csv"), `${copied}.copied`]) writeFileSync(place, "");
  await mend(system.sql, root, source);
  t.same(readdirSync(sets), [set?.id], "a set with its row stays");
  t.same(readdirSync(folder).toSorted(), [...night.keys()].toSorted());
});

t.test("a disk that does not answer is given up, and is not asked again before it has answered", async (t) => {
  let answer = (): void => undefined;
  const silent = (): Promise<string> => new Promise((resolve) => (answer = () => resolve("late")));
  await t.rejects(answered("/silent", silent, 20), { code: "source.folder" });
  await t.rejects(
    answered("/silent", () => Promise.resolve("at once")),
    { code: "source.folder" },
  );
  t.equal(await answered("/other", () => Promise.resolve("at once")), "at once");
  answer();
  await sleep(1);
  t.equal(await answered("/silent", () => Promise.resolve("at once")), "at once");
});
