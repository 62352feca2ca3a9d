// Sets that were taken are read to their end, and nothing but a fault of their own ends one.

import { existsSync, readdirSync, rmSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import t from "tap";

import { factsOf } from "../../../libs/adapters/drops/facts.ts";
import { lyingFiles } from "../../../libs/adapters/drops/contents.ts";
import { setFolder, takenSets, takeSet } from "../../../libs/adapters/drops/sets.ts";
import { sourceOf, type Source } from "../../../libs/adapters/postgres/sources.ts";
import { unreadable } from "../../../libs/adapters/oneroster/unreadable.ts";
import { parseSourceId } from "../../../libs/domain/ids.ts";
import { deliver } from "../../../libs/ingest/deliver.ts";
import { readSets } from "../../../services/ingest-sftp/drop-sets.ts";
import { Failures } from "../../../services/ingest-sftp/failures.ts";
import {
  deliveryStates,
  dropDistrict,
  type DropDistrict,
  quietSeconds,
  setOf,
  type SetOfFiles,
  setStates,
  uploadSet,
  zipOf,
} from "../../support/drops.ts";
import { topicRecords } from "../../support/pipeline.ts";

const night1 = setOf("v12-bulk");
const night2 = setOf("v12-bulk", "Another title");

/** Uploads files and takes them. @returns the source, and where the set's files are. */
async function taken(
  district: DropDistrict,
  set: ReadonlyMap<string, string | Uint8Array>,
): Promise<{ readonly source: Source; readonly folder: string }> {
  const { system, root } = district;
  const { sql } = system;
  const source = await sourceOf(sql, district.district, district.source);
  await uploadSet(district.files, set);
  for (let tries = 0; tries < 50; tries++) {
    await sleep(quietSeconds * 200);
    const facts = await factsOf(root, { source, files: await lyingFiles(sql), last: null });
    const about = { root, source, manifestOptional: true, now: system.clock.now() };
    if (facts !== null && (await takeSet(sql, { ...about, facts }))) {
      const last = (await takenSets(sql, source)).at(-1);
      return { source, folder: setFolder(root, source, last?.id ?? "none") };
    }
  }
  throw new Error("the set is whole and was not taken");
}

async function read({ system, root }: DropDistrict, source: Source): Promise<void> {
  const work = { ...system, root, failures: new Failures(system, 1000) };
  await readSets(work, { source, timeZone: "UTC", signal: new AbortController().signal });
}

async function notices({ system }: DropDistrict): Promise<string> {
  return JSON.stringify((await topicRecords(system, "notices")).map(({ value }) => value));
}

t.test("I23 a taken set that lost files is no delivery, and a newer one in bulk is read in its place", async (t) => {
  const district = await dropDistrict(t);
  const { source, folder } = await taken(district, night1);
  rmSync(join(folder, "users.csv"));
  await read(district, source);
  t.same([await setStates(district), await deliveryStates(district)], [["taken"], []]);
  t.match(await notices(district), /set\.incomplete/u);
  const newer = await taken(district, night2);
  truncateSync(join(newer.folder, "orgs.csv"), 10);
  await read(district, source);
  t.same([await setStates(district), await deliveryStates(district)], [["taken", "taken"], []], "nor one that was cut");
  await taken(district, night2);
  await read(district, source);
  t.same(await setStates(district), ["superseded", "superseded", "delivered"]);
  t.same(await deliveryStates(district), ["accepted"]);
});

t.test("a zip that was lost keeps nothing waiting once a whole set came after it", async (t) => {
  const district = await dropDistrict(t);
  const { source, folder } = await taken(district, new Map([["roster.zip", "lost before anybody looks at it"]]));
  rmSync(folder, { recursive: true });
  await taken(district, setOf("v12-delta"));
  await read(district, source);
  t.same(await setStates(district), ["taken", "taken"], "a delta does not say what the zip did");
  await taken(district, night1);
  await read(district, source);
  t.same(await setStates(district), ["superseded", "superseded", "delivered"]);
  const [reason]: readonly string[] = await district.system.sql("drop_sets").orderBy("taken_at").pluck("reason");
  t.match(reason, /^files of it were lost here/u);
});

async function ends({ system }: DropDistrict): Promise<readonly unknown[]> {
  return system.sql("drop_sets").orderBy("taken_at").select("state", "reason");
}

function changed(set: SetOfFiles, files: Readonly<Record<string, string | null>>): SetOfFiles {
  const all = new Map([...set, ...Object.entries(files)]);
  return new Map([...all].flatMap(([name, text]) => (text === null ? [] : [[name, text] as const])));
}

const usersText = night1.get("users.csv") ?? "";
const halves: readonly { readonly what: string; readonly set: SetOfFiles; readonly lacks: RegExp }[] = [
  {
    what: "users.csv alone",
    set: new Map([["users.csv", usersText]]),
    lacks: /academicSessions\.csv is missing, .*orgs/u,
  },
  {
    what: "half of what its manifest lists",
    set: new Map([...night1].filter(([name]) => ["manifest.csv", "users.csv"].includes(name))),
    lacks: /whole set: academicSessions\.csv is missing, /u,
  },
  {
    what: "Users.csv for users.csv",
    set: changed(night1, { "users.csv": null, "Users.csv": usersText }),
    lacks: /whole set: users\.csv is missing \(Users\.csv in it has another name\)$/u,
  },
  {
    what: "role.csv for roles.csv, and no manifest",
    set: changed(night1, { "manifest.csv": null, "roles.csv": null, "role.csv": night1.get("roles.csv") ?? "" }),
    lacks: /roles\.csv is missing \(role\.csv/u,
  },
];

t.test("I23 half a set is refused in a zip too, and what it lacks is named (A005, A012, A035)", async (t) => {
  const district = await dropDistrict(t);
  for (const { what, set, lacks } of halves) {
    const { source } = await taken(district, new Map([["half.zip", await zipOf(set)]]));
    await read(district, source);
    t.match((await ends(district)).at(-1), { state: "refused", reason: lacks }, what);
  }
  t.same(await deliveryStates(district), []);
  const { source } = await taken(district, new Map([["delta.zip", await zipOf(setOf("v12-delta"))]]));
  await taken(district, new Map([["readme.zip", await zipOf(new Map([["readme.csv", "no roster"]]))]]));
  await read(district, source);
  t.same(
    await deliveryStates(district),
    ["accepted", "refused"],
    "a delta is whole; another format is told by reading",
  );
});

t.test("a set is skipped only once the newer one was accepted, and none is read after it", async (t) => {
  const district = await dropDistrict(t);
  const { source } = await taken(district, new Map([["a.zip", await zipOf(night1)]]));
  await taken(district, new Map([["b.zip", await zipOf(setOf("refused-too-many-rejects"))]]));
  await read(district, source);
  t.same(await setStates(district), ["delivered", "delivered"]);
  t.same(await deliveryStates(district), ["refused", "accepted"], "the newer was refused, and the older used");

  await taken(district, new Map([["c.zip", await zipOf(setOf("v12-bulk", "Third"))]]));
  await taken(district, setOf("v12-delta"));
  await taken(district, night2);
  const newest = (await takenSets(district.system.sql, source)).at(-1)?.id;
  await read(district, source);
  t.same((await setStates(district)).slice(2), ["superseded", "superseded", "delivered"]);
  t.match((await ends(district)).at(2), {
    reason: /^a newer set, complete since [\d-]+,? [\d:]+ \(UTC\), has all of its files/u,
  });
  await taken(district, setOf("v12-bulk", "Fourth"));
  // As a crash leaves it, between the end of the newer set and that of the older one.
  await district.system.sql("drop_sets").where("id", newest).update({ taken_at: district.system.sql.fn.now() });
  await read(district, source);
  t.same((await setStates(district)).slice(4), ["superseded", "delivered"]);
  t.equal((await deliveryStates(district)).length, 3);
});

t.test("a set waits while another source is enabled: what was uploaded is not lost for it", async (t) => {
  const district = await dropDistrict(t);
  const { sql } = district.system;
  const { source, folder } = await taken(district, night1);
  await sql("sources").update({ disabled_at: sql.fn.now() });
  await sql("sources").insert({ district: district.district, id: "files", kind: "files" });
  await read(district, source);
  t.same(await setStates(district), ["taken"]);
  t.equal(readdirSync(folder).length, night1.size);
  t.match(await notices(district), /source\.second/u);
  await sql("sources").where({ id: "files" }).update({ disabled_at: sql.fn.now() });
  await sql("sources").where({ id: "sftp" }).update({ disabled_at: null });
  await read(district, source);
  t.same([await setStates(district), await deliveryStates(district)], [["delivered"], ["accepted"]]);
  t.notOk(existsSync(folder));
});

t.test("the same set is another one once a different source delivered in between", async (t) => {
  const district = await dropDistrict(t);
  const { sql } = district.system;
  const { source } = await taken(district, night1);
  await read(district, source);
  await sql("sources").where({ id: "sftp" }).update({ disabled_at: sql.fn.now() });
  const files = parseSourceId("files");
  if (files === null) throw new Error("it is an id");
  const path = t.testdir(Object.fromEntries(night2));
  const { signal } = new AbortController();
  await deliver(district.system, { district: district.district, source: files, path, signal });
  await sql("sources").where({ id: "files" }).update({ disabled_at: sql.fn.now() });
  await sql("sources").where({ id: "sftp" }).update({ disabled_at: null });
  await taken(district, night1);
  await read(district, source);
  t.same(await setStates(district), ["delivered", "delivered"]);
  district.system.sleepDays(1);
  await taken(district, night1);
  await read(district, source);
  t.equal((await setStates(district)).at(-1), "delivered", "the other's may have come at the same moment");
  await taken(district, night1);
  await read(district, source);
  t.equal((await setStates(district)).at(-1), "same");
});

t.test("a machine that fails is not said to be a fault of the set", async (t) => {
  const failing = (code: string): Error => Object.assign(new Error(code), { code, syscall: "read" });
  for (const code of ["EMFILE", "EIO", "ESTALE"]) {
    const wrapped = new Error("reading the archive", { cause: failing(code) });
    t.match(unreadable("zip.damaged", "the zip is damaged", wrapped), { code: "set.io", retryable: true });
  }
  t.match(unreadable("file.denied", "it may not be read", failing("EACCES")), { code: "set.unreadable" });
  const zlib = Object.assign(new Error("incorrect header"), { code: "Z_DATA_ERROR", errno: -3 });
  t.match(unreadable("zip.damaged", "the zip is damaged", zlib), { code: "set.unreadable" });
});
