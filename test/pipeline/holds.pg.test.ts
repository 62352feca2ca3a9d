// Deletes above the limits wait for a person, night after night; everything else goes out. What a person may say of them,
// and what becomes of it.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import t from "tap";

import { decide } from "../../libs/cli/plans.ts";
import { withServices } from "../../libs/cli/services.ts";
import { parseSourceId } from "../../libs/domain/ids.ts";
import { deliver } from "../../libs/ingest/deliver.ts";
import { controlTopics } from "../../libs/topics.ts";
import { type Image, type LedgerLine, readImage, readLedger } from "../sample/naive.ts";
import { checkPublished, foldRoster, sameLines, without } from "../support/checker.ts";
import { freshDistrict, type TestDistrict, topicRecords } from "../support/pipeline.ts";
import type { Teardown } from "../support/teardown.ts";

const students = 100;

type Dropped = {
  readonly district: TestDistrict;
  readonly normal: string;
  readonly drop: string;
  readonly ledger: readonly LedgerLine[];
  readonly version: number;
};

/** Night one, and night two in which many are missing. */
async function droppedNight(t: Teardown): Promise<Dropped> {
  const district = await freshDistrict(t);
  const normal = await district.sample({ students });
  await district.deliver(normal.directory);
  const drop = await district.sample({ students, night: 2, scenario: "drop" });
  const outcome = await district.deliver(drop.directory);
  if (outcome.outcome !== "held") throw new Error(`the drop was ${outcome.outcome}`);
  const ledger = readLedger(drop.ledger).filter(({ type }) => type !== "demographics");
  const { version } = await district.plan();
  return { district, normal: normal.directory, drop: drop.directory, ledger, version };
}

const named = (lines: readonly Pick<LedgerLine, "type" | "sourcedId" | "op">[]): readonly string[] =>
  lines.map(({ type, sourcedId, op }) => `${op} ${type} ${sourcedId}`);
const isHeld = (line: LedgerLine): boolean => line.suspicious === true || line.waits === true;

/** The keys that are published and not in the set, as exceptions are named. */
async function surplus(district: TestDistrict, set: string): Promise<readonly string[]> {
  const image = readImage(set);
  return [...foldRoster(await district.records("roster"))]
    .flatMap(([type, entities]) =>
      [...entities.keys()].filter((id) => image.get(type)?.has(id) !== true).map((id) => `held ${type} ${id}`),
    )
    .toSorted();
}

function countsByType(names: readonly string[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const name of names) {
    const [, type = ""] = name.split(" ");
    counts[type] = (counts[type] ?? 0) + 1;
  }
  return counts;
}

t.test("deletes above the limit are held with those that wait for them, and the rest is published", async (t) => {
  const { district, ledger } = await droppedNight(t);
  sameLines(t, named(await district.changes()), named(ledger.filter((line) => !isHeld(line))), "published");
  const held = await district.exceptions();
  const expected = ledger.filter(isHeld).map(({ type, sourcedId }) => `held ${type} ${sourcedId}`);
  sameLines(t, held, expected, "held");
  t.ok(
    expected.some((name) => name.startsWith("held class ")),
    "a class waits for its enrollments",
  );
  const plan = await district.plan();
  t.match(plan, { state: "open", verdict: "hold-some", cause: null });
  t.same(plan.held, countsByType(expected));
});

/** The set with some of its missing people back: their rows of users and roles as another set has them. */
function withReturned(district: TestDistrict, set: string, from: string, ids: ReadonlySet<string>): string {
  const rows = (file: string): string =>
    readFileSync(join(from, file), "utf8")
      .split("\r\n")
      .filter(
        (line) => ids.has(line.split(",")[0] ?? "") || (file === "roles.csv" && ids.has(line.split(",")[3] ?? "")),
      )
      .map((line) => `${line}\r\n`)
      .join("");
  return district.edited(set, {
    "users.csv": (text) => text + rows("users.csv"),
    "roles.csv": (text) => text + rows("roles.csv"),
  });
}

t.test(
  "I6 what is held stays held night after night, comes back by itself when the key returns, and is neither forgotten nor doubled",
  async (t) => {
    const { district, normal, drop } = await droppedNight(t);
    const first = await district.plan();
    const held = await district.exceptions();
    t.same(held, await surplus(district, drop));

    const third = await district.sample({ students, night: 3, scenario: "drop", previousScenario: "drop" });
    t.match(await district.deliver(third.directory), { outcome: "held" });
    const second = await district.plan();
    t.equal(second.since, first.since, "it is held since the first night");
    t.ok(second.version > first.version);
    t.equal((await district.plan(first.version)).state, "superseded");
    const heldNow = await district.exceptions();
    t.same(heldNow, await surplus(district, third.directory), "every key that should be gone, once");
    t.same(second.held, countsByType(heldNow), "the plan counts each once");

    const returning = new Set(
      held
        .filter((name) => name.startsWith("held user s"))
        .map((name) => name.slice("held user ".length))
        .slice(0, 5),
    );
    t.equal(returning.size, 5);
    const fourth = withReturned(district, third.directory, normal, returning);
    t.match(await district.deliver(fourth), { outcome: "held" });
    const heldThen = await district.exceptions();
    t.same(heldThen, await surplus(district, fourth));
    t.same(
      heldNow.filter((name) => !heldThen.includes(name)).length,
      10,
      "five people and their roles are held no more",
    );
    t.equal((await district.plan()).since, first.since);

    await district.deliver(normal);
    const left = await district.exceptions();
    t.same(left, await surplus(district, normal), "all that came back is held no more");
    t.ok(left.length < 10, "what is still held came after the first night and never came back");
    t.match(await district.decide("approve", (await district.plan()).version), { plan: { state: "closed" } });
    t.same(
      await district.exceptions(),
      left.map((name) => name.replace("held", "approved")),
    );
    await checkPublished(t, district, normal);
  },
);

t.test("approval by type publishes that type and what waited for it, and the rest stays open", async (t) => {
  const { district, drop, ledger, version } = await droppedNight(t);
  const first = await district.decide("approve", version, { types: ["enrollment"] });
  t.match(first, { outcome: "applied", plan: { state: "open" } });
  const gone = await district.changes(first.changeset?.number);
  const expected = ledger.filter((line) => isHeld(line) && !["user", "role"].includes(line.type));
  sameLines(t, named(gone), named(expected), "enrollments, and the classes that waited for them");
  t.ok(expected.some(({ type }) => type === "class"));
  t.same(Object.keys((await district.plan()).held).toSorted(), ["role", "user"]);
  const early = await district.decide("approve", version, { types: ["user"] });
  t.match(early, { outcome: "applied", plan: { state: "open" } });
  t.same(await district.changes(early.changeset?.number), [], "people wait for their roles");
  const rest = await district.decide("approve", version, { types: ["role"] });
  t.match(rest, { outcome: "applied", plan: { state: "closed" } });
  const last = await district.changes(rest.changeset?.number);
  sameLines(
    t,
    named(last),
    named(ledger.filter((line) => isHeld(line) && ["user", "role"].includes(line.type))),
    "rest",
  );
  await checkPublished(t, district, drop);
  t.match(await district.deliver(drop), { outcome: "published", changeset: { counts: [] } });
  t.same(await district.exceptions(), [], "what was approved and is gone needs no exception");
});

t.test("holding and approving the whole ends where never holding would have ended", async (t) => {
  const { district, drop, ledger, version } = await droppedNight(t);
  const { outcome, plan, changeset } = await district.decide("approve", version);
  t.equal(outcome, "applied");
  t.equal(plan?.state, "closed");
  sameLines(t, named(await district.changes(changeset?.number)), named(ledger.filter(isHeld)), "approved");
  await checkPublished(t, district, drop);
  const again = await district.decide("approve", version);
  t.match(again, { outcome: "refused", reason: /closed/u }, "a plan is approved once");
});

t.test(
  "what was rejected is left out as long as the source says the same, and judged anew when it says it again",
  async (t) => {
    const { district, normal, drop, version } = await droppedNight(t);
    t.match(await district.decide("reject", version), { outcome: "applied", plan: { state: "closed" } });
    const rejected = await district.exceptions();
    t.ok(rejected.every((name) => name.startsWith("rejected ")));
    t.match(await district.deliver(drop), { outcome: "published", changeset: { counts: [] } }, "the same set again");
    t.same(await district.exceptions(), rejected);
    await checkPublished(t, district, await merged(district, drop), "they are still published");
    t.match(await district.deliver(normal), { outcome: "published" });
    t.same(await district.exceptions(), [], "the keys are back");
    t.match(await district.deliver(drop), { outcome: "held" }, "and missing again");
  },
);

/** What a set says, and of keys that it does not name, what is published. */
async function merged(district: TestDistrict, set: string): Promise<Image> {
  const image = without(readImage(set), "demographics");
  for (const [type, entities] of foldRoster(await district.records("roster")))
    for (const [id, cells] of entities) if (image.get(type)?.has(id) === false) image.get(type)?.set(id, cells);
  return image;
}

t.test("part of a plan is rejected and the rest approved", async (t) => {
  const { district, drop, version } = await droppedNight(t);
  t.match(await district.decide("reject", version, { types: ["user", "role"] }), { plan: { state: "open" } });
  t.match(await district.decide("approve", version), { outcome: "applied", plan: { state: "closed" } });
  const kept = await surplus(district, drop);
  t.same(Object.keys(countsByType(kept)), ["role", "user"]);
  t.match(await district.deliver(drop), { outcome: "published", changeset: { counts: [] } });
});

t.test("a decision on a version that is no longer open is refused", async (t) => {
  const { district, version } = await droppedNight(t);
  const next = await district.sample({ students, night: 3, scenario: "drop", previousScenario: "drop" });
  await district.deliver(next.directory);
  const before = await district.exceptions();
  for (const verdict of ["approve", "reject"] as const)
    t.match(await district.decide(verdict, version), { outcome: "refused", reason: /superseded/u, changeset: null });
  t.match(await district.decide("approve", 99), { outcome: "refused", reason: /no version 99/u });
  t.same(await district.exceptions(), before);
});

t.test("a decision is refused while a newer delivery waits", async (t) => {
  const { district, version } = await droppedNight(t);
  const { system, id } = district;
  const { signal } = new AbortController();
  const next = await district.sample({ students, night: 3, scenario: "drop", previousScenario: "drop" });
  const source = parseSourceId("files");
  if (source === null) throw new Error("files is a source id");
  const before = await district.exceptions();
  // Diff is busy elsewhere: the decision is in its inbox first, then the delivery.
  const decided = decide(system, id, { verdict: "approve", version, types: [], cause: null, by: "tester" });
  const { name: decisions } = controlTopics.decisions;
  while ((await topicRecords(system, decisions)).length === 0) await sleep(20);
  await system.inbox.pump({ consumer: "diff", topics: [decisions] });
  await deliver(system, { district: id, source, path: next.directory, signal });
  const { outcome, reason } = await withServices(system, () => decided);
  t.equal(outcome, "refused");
  t.match(reason, /newer delivery/u);
  t.ok((await district.exceptions()).length >= before.length * 0.9, "nothing was let go");
});
