// What a district drops becomes one delivery once it is whole, and never before.

import { randomUUID } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import t from "tap";

import { placeOf } from "../../../libs/adapters/drops/place.ts";
import { holdLease } from "../../../libs/adapters/postgres/leases.ts";
import { controlKey, controlTopics, districtTopic } from "../../../libs/topics.ts";
import {
  aWhile,
  deliveryStates,
  dropDistrict,
  setOf,
  setStates,
  until,
  upload,
  uploadSet,
  waitingState,
  whileWatching,
  zipOf,
} from "../../support/drops.ts";
import { topicRecords } from "../../support/pipeline.ts";
import { addDistrict, anotherProcess } from "../../support/system.ts";

const night1 = setOf("v12-bulk");
const night2 = setOf("v12-bulk", "Another title");

const count = async (rows: Promise<readonly unknown[]>): Promise<number> => (await rows).length;

t.test(
  "I23 half an upload waits, resumed it is one delivery; one file again waits for the others (A036)",
  async (t) => {
    const district = await dropDistrict(t);
    const { files, system } = district;
    const users = night1.get("users.csv") ?? "";
    const half = Math.floor(users.length / 2);
    await whileWatching(district, async () => {
      for (const [name, text] of night1) if (name !== "users.csv") await upload(files, `/${name}`, text);
      const lost = await files.openWrite("/users.csv", { create: true, exclusive: false, truncate: true });
      lost.write(0, Buffer.from(users.slice(0, half)));
      await lost.abandon();
      await aWhile();
      t.match(await waitingState(district), { missing: [], unfinished: [{ path: "/users.csv", state: "torn" }] });
      t.same(await setStates(district), []);
      const resumed = await files.openWrite("/users.csv", { create: false, exclusive: false, truncate: false });
      resumed.write(half, Buffer.from(users.slice(half)));
      await aWhile();
      t.same(await setStates(district), [], "what is open is not taken");
      await resumed.close();
      await until("the set is delivered", async () => (await setStates(district))[0] === "delivered");
      t.same(await deliveryStates(district), ["accepted"]);
      t.same(await files.list("/").then((all) => all.map(({ name }) => name)), ["reports"], "the set was taken away");

      await upload(files, "/users.csv", users);
      await until("it waits", async () => (await waitingState(district)) !== null);
      await aWhile();
      const missing = [...night1.keys()].filter((name) => !["users.csv", "manifest.csv", "roles.csv"].includes(name));
      t.match(await waitingState(district), {
        missing: [...missing, "roles.csv"].toSorted(),
        received: ["/users.csv"],
      });
      t.same(await deliveryStates(district), ["accepted"], "one file is no set");
      system.sleepDays(1);
      const notices = async (): Promise<readonly unknown[]> =>
        (await topicRecords(system, "notices")).map(({ value }) => value);
      await until("people are told", async () => (await notices()).length > 0);
      await aWhile();
      t.equal((await notices()).length, 1, "once");
      t.match(await notices(), [{ code: "drop.waiting", message: /oak\.sftp: .*missing .*orgs\.csv/u }]);
      const reports = placeOf(district.root, district).reports;
      t.match(readFileSync(join(reports, "waiting.txt"), "utf8"), /Still missing:/u);
      await files.remove("/users.csv");
      await until("nothing waits", async () => (await waitingState(district)) === null);
      await until("the report went", () => Promise.resolve(!existsSync(join(reports, "waiting.txt"))));
    });
  },
);

t.test("the same set again is the same, another one is a change, and so is the first one after it", async (t) => {
  const district = await dropDistrict(t);
  await whileWatching(district, async () => {
    const drop = async (set: typeof night1, total: number): Promise<void> => {
      await uploadSet(district.files, set);
      await until(`${total} sets have ended`, async () => {
        const states = await setStates(district);
        return states.length === total && !states.includes("taken");
      });
    };
    await drop(night1, 1);
    await drop(night1, 2);
    t.same(await setStates(district), ["delivered", "same"]);
    await drop(night2, 3);
    await drop(night1, 4);
    t.same(await setStates(district), ["delivered", "same", "delivered", "delivered"]);
    t.same(await deliveryStates(district), ["accepted", "accepted", "accepted"]);
    await district.system.sql("districts").update({ policy: JSON.stringify({ timeZone: "America/Chicago" }) });
    await drop(night1, 5);
    t.equal((await setStates(district)).at(-1), "delivered", "another policy reads it otherwise");
  });
});

t.test("the manifest may come first, last or not at all; a near miss keeps the set waiting (A012, A035)", async (t) => {
  const district = await dropDistrict(t, { settings: { path: "/in", format: "files" } });
  const { files } = district;
  const drop = (names: readonly string[], set = night1): Promise<unknown> =>
    names.reduce<Promise<unknown>>(
      (before, name) => before.then(() => upload(files, `/in/${name}`, set.get(name) ?? "")),
      Promise.resolve(),
    );
  const others = [...night1.keys()].filter((name) => name !== "manifest.csv");
  await whileWatching(district, async () => {
    await until("the folder is there", () =>
      files.about("/in").then(
        () => true,
        () => false,
      ),
    );
    await drop(["manifest.csv", ...others.slice(1)]);
    await aWhile();
    t.match(await waitingState(district), { missing: [others[0]] });
    await drop(others.slice(0, 1));
    await until(
      "manifest first",
      async () => (await setStates(district)).filter((each) => each === "delivered").length === 1,
    );
    await drop([...others, "manifest.csv"], night2);
    await until(
      "manifest last",
      async () => (await setStates(district)).filter((each) => each === "delivered").length === 2,
    );
    await drop(others.filter((name) => name !== "users.csv"));
    await upload(files, "/in/Users.csv", night1.get("users.csv") ?? "");
    await upload(files, "/users.csv", night1.get("users.csv") ?? "");
    await aWhile();
    t.match(await waitingState(district), {
      missing: ["users.csv"],
      odd: [
        { path: "/in/Users.csv", why: "name", suggestion: "/in/users.csv" },
        { path: "/users.csv", why: "folder", suggestion: "/in/users.csv" },
      ],
    });
    await files.rename({ from: "/in/Users.csv", to: "/in/users.csv", overwrite: false });
    await until(
      "no manifest",
      async () => (await setStates(district)).filter((each) => each === "delivered").length === 3,
    );
    t.same(await deliveryStates(district), ["accepted", "accepted", "accepted"]);
    t.match(await waitingState(district), { odd: [{ path: "/users.csv" }] });
  });
});

t.test("a zip is a set of its own beside loose files, and a broken one keeps nothing waiting (C015)", async (t) => {
  const district = await dropDistrict(t);
  const { files, system } = district;
  await upload(files, "/broken.zip", "no zip at all");
  await sleep(20);
  await upload(files, "/Roster.ZIP", await zipOf(night1));
  await sleep(20);
  await uploadSet(files, night2);
  await aWhile();
  await whileWatching(district, async () => {
    await until("all have ended", async () => {
      const states = await setStates(district);
      return states.length === 3 && !states.includes("taken");
    });
  });
  const sets: readonly { readonly state: string; readonly reason: string | null }[] = await system
    .sql("drop_sets")
    .orderBy("taken_at")
    .select("state", "reason");
  t.match(sets, [
    { state: "refused", reason: /not a zip archive/u },
    { state: "superseded", reason: /a newer set, complete since .* has all of its files/u },
    { state: "delivered", reason: null },
  ]);
  t.same(await deliveryStates(district), ["accepted"]);
  t.same(readdirSync(placeOf(district.root, district).sets), [], "their files are gone");
});

t.test("sets wait for the window in order, and one that a newer does not replace is read", async (t) => {
  // Noon of each day; the clock of the test stands at 6 in the morning, UTC.
  const district = await dropDistrict(t, { settings: { window: "0 12 * * *" } });
  const { files, system } = district;
  const delta = setOf("v12-delta");
  await whileWatching(district, async () => {
    await uploadSet(files, night1);
    await until("the first is taken", async () => (await setStates(district)).length === 1);
    await uploadSet(files, delta);
    await until("the second is taken", async () => (await setStates(district)).length === 2);
    await aWhile();
    t.same(await setStates(district), ["taken", "taken"]);
    t.equal(await count(system.sql("drop_sets").whereNotNull("received_told_at")), 2, "their receipt is told at once");
    system.sleepDays(1);
    await until("both are read", async () => (await setStates(district)).every((state) => state === "delivered"));
    const order: readonly unknown[] = await system.sql("drop_sets").orderBy("delivery").pluck("files");
    t.match(order[1], [{ name: "enrollments.csv" }, { name: "manifest.csv" }, { name: "users.csv" }]);
  });
});

t.test("a folder that another server fills slowly is taken once it is still, and the next set too", async (t) => {
  const watched = t.testdir({ roster: {} });
  const folder = join(watched, "roster");
  const district = await dropDistrict(t, { kind: "folder", settings: { folder } });
  const write = async (set: typeof night1, pauseMs: number): Promise<void> => {
    for (const [name, text] of set) {
      const half = Math.floor(text.length / 2);
      writeFileSync(join(folder, name), text.slice(0, half));
      await sleep(pauseMs);
      writeFileSync(join(folder, name), text.slice(half), { flag: "a" });
    }
  };
  await whileWatching(district, async () => {
    await write(night1, 100);
    await until("the set is delivered", async () => (await setStates(district))[0] === "delivered");
    t.same(readdirSync(folder), ["reports"]);
    await write(night2, 0);
    await until(
      "the next too",
      async () => (await setStates(district)).filter((each) => each === "delivered").length === 2,
    );
    t.same(await deliveryStates(district), ["accepted", "accepted"]);
    rmSync(folder, { recursive: true });
    await until("its folder is missed", async () => {
      const told = (await topicRecords(district.system, "notices")).map(({ value }) => value);
      return JSON.stringify(told).includes("source.folder");
    });
  });
});

const otherDisk = "/dev/shm";
const isOtherDisk = existsSync(otherDisk) && statSync(otherDisk).dev !== statSync(tmpdir()).dev;

t.test("a folder on another disk is emptied too", { skip: !isOtherDisk && "there is no other disk" }, async (t) => {
  const folder = mkdtempSync(join(otherDisk, "rollcall-drops-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const district = await dropDistrict(t, { kind: "folder", settings: { folder } });
  await whileWatching(district, async () => {
    for (const [turn, set] of [night1, night2].entries()) {
      for (const [name, text] of set) writeFileSync(join(folder, name), text);
      await until("it is delivered", async () => (await setStates(district))[turn] === "delivered");
      t.same(readdirSync(folder), ["reports"]);
    }
  });
  t.same(await deliveryStates(district), ["accepted", "accepted"]);
  t.equal(await count(district.system.sql("drop_files").select("path")), 0);
});

t.test("a folder that may only be read keeps its files, and the same ones are no new set", async (t) => {
  const folder = t.testdir(Object.fromEntries(night1));
  const district = await dropDistrict(t, { kind: "folder", settings: { folder, readOnly: true } });
  await whileWatching(district, async () => {
    await until("the set is delivered", async () => (await setStates(district))[0] === "delivered");
    await aWhile();
    t.same(readdirSync(folder).length, night1.size, "nothing was taken away or written");
    t.equal((await setStates(district)).length, 1);
    for (const [name, text] of night1) writeFileSync(join(folder, name), text);
    await until("the same was written again", async () => (await setStates(district))[1] === "same");
    writeFileSync(join(folder, "users.csv"), night1.get("users.csv") ?? "");
    await until("one file waits", async () => (await waitingState(district)) !== null);
    await aWhile();
    t.equal((await setStates(district)).length, 2);
    t.same(await deliveryStates(district), ["accepted"]);
  });
});

t.test("two processes share the sources, and a set is delivered once", async (t) => {
  const district = await dropDistrict(t);
  const other = await anotherProcess(t, district.system);
  await whileWatching(district, () =>
    whileWatching({ system: other, root: district.root }, async () => {
      for (let turn = 1; turn <= 3; turn++) {
        await uploadSet(district.files, turn % 2 === 0 ? night2 : night1);
        await until(
          `set ${turn}`,
          async () => (await setStates(district)).filter((each) => each === "delivered").length === turn,
        );
      }
    }),
  );
  t.same(await setStates(district), ["delivered", "delivered", "delivered"]);
  t.same(await deliveryStates(district), ["accepted", "accepted", "accepted"]);
});

t.test("sources whose sets cannot be read keep no other from being taken, told of and read", async (t) => {
  const district = await dropDistrict(t);
  const { system, source, root } = district;
  const { sql } = system;
  const settings: { readonly settings: object } = await sql("sources").first("settings");
  for (const name of ["elm", "fir", "ash", "yew"]) {
    const id = await addDistrict(system, name);
    await sql("sources").insert({ district: id, id: source, kind: "sftp", settings: settings.settings });
    const held = await holdLease(sql, { name: districtTopic("entities", id), holder: randomUUID(), ttlMs: 15_000 });
    t.teardown(() => held?.release());
    await uploadSet(district.drops.files({ district: id, source }, "198.51.100.7"), night1);
  }
  // One whose settings cannot be read, and news that cannot be.
  const bad = await addDistrict(system, "bay");
  await sql("sources").insert({
    district: bad,
    id: source,
    kind: "sftp",
    settings: JSON.stringify({ quietSeconds: "x" }),
  });
  const unknown = JSON.stringify({ ...settings.settings, later: 1 });
  await sql("sources").where({ district: district.district }).update({ settings: unknown });
  await system.log.transaction(async (tx) => {
    tx.append(controlTopics.plans.name, [{ key: controlKey(bad, source), value: Buffer.from("garbage") }]);
    await Promise.resolve();
  });
  await whileWatching({ system, root }, async () => {
    await until("four are being read", async () => (await deliveryStates(district)).length === 4);
    await uploadSet(district.files, night1);
    await until("its receipt is told", async () => {
      const own = sql("drop_sets").where({ district: district.district }).whereNotNull("received_told_at");
      return (await count(own.select("id"))) === 1;
    });
    const stopped = await system.inbox.stopped("ingest-sftp.news");
    t.match(stopped, [{ district: "bay", reason: /^registry\.undecodable/u }]);
    await until("people are told", async () => {
      const told = JSON.stringify((await topicRecords(system, "notices")).map(({ value }) => value));
      return told.includes("config.invalid") && told.includes("registry.undecodable");
    });
    await sql("leases").where("name", "like", "entities.%").delete();
    await until("all are read", async () => {
      const states = await deliveryStates(district);
      return states.length === 5 && states.every((state) => state === "accepted");
    });
  });
});

t.test("what waits is told to wait since its own files came, not since a stray file lay there", async (t) => {
  const district = await dropDistrict(t);
  const { system, files } = district;
  const since = async (): Promise<number> => {
    const row: { readonly since: Date } | undefined = await system.sql("drop_waits").first("since");
    return row?.since.getTime() ?? 0;
  };
  await whileWatching(district, async () => {
    await upload(files, "/readme.txt", "x");
    await until("the stray file is told", async () => (await since()) > 0);
    system.sleepDays(60);
    const now = system.clock.now();
    await upload(files, "/orgs.csv", night1.get("orgs.csv") ?? "");
    await until("it waits since now", async () => (await since()) >= now);
    system.sleepDays(1);
    await upload(files, "/users.csv", night1.get("users.csv") ?? "");
    await aWhile();
    t.ok((await since()) < now + 3_600_000, "what comes later changes nothing of it");
  });
});

t.test("what is left beside sets that come whole is told to the district, and to people no more", async (t) => {
  const district = await dropDistrict(t);
  const { system, files } = district;
  await whileWatching(district, async () => {
    await upload(files, "/users.csv.tmp.log", "x");
    for (const [index, change] of ["A", "B"].entries()) {
      await uploadSet(files, setOf("v12-bulk", change));
      await until("it is delivered", async () => (await setStates(district))[index] === "delivered");
      await upload(files, "/users.csv.tmp.log", "x");
      await until("it waits", async () => (await waitingState(district)) !== null);
      await aWhile();
      system.sleepDays(1);
      await aWhile();
    }
    const told = join(placeOf(district.root, district).reports, "waiting.txt");
    await until("it is told", () => Promise.resolve(existsSync(told)));
    t.match(readFileSync(told, "utf8"), /Left over:\n {2}\/users\.csv\.tmp\.log\n/u);
  });
  t.same(await topicRecords(system, "notices"), []);
});
