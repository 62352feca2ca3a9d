// Two processes of each service on a real broker: they share the work, a district with a very large plan keeps no other
// one waiting, and when one of each is killed the other takes over what it held.

import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";

import { skipWholeSystems } from "../support/kafka.ts";

import { isSaidOnce, same } from "../support/kafka-audit.ts";
import {
  grown,
  isWhole,
  receiveSet,
  setOf,
  stateInTime,
  storyIn,
  type Storyteller,
  tell,
} from "../support/kafka-people.ts";
import { kafkaStage, type KafkaStage, serviceNames } from "../support/kafka-stage.ts";
import { Random } from "../support/seeded.ts";

const isTorture = process.env["TORTURE"] === "1";
const seed = Number(process.env["SEED"] ?? 1);
const manyStudents = isTorture ? 100_000 : 40_000;
const limitMs = isTorture ? 900_000 : 300_000;
/** Leases last 15 seconds; the rest is for a busy machine. */
const takeOverMs = 60_000;
t.setTimeout(limitMs);

const both = serviceNames.flatMap((service) => [
  { service, number: 1 },
  { service, number: 2 },
]);

void t.test(
  "I19 two processes of each service share the work, and one takes over what the other held",
  { skip: skipWholeSystems },
  async (t) => {
    const stage = await kafkaStage(t);
    if (stage === null) return;
    await stage.start(...both);

    const calm = await Promise.all([1, 2].map((number) => storyIn(stage, `calm${number}`, number)));
    await Promise.all(calm.map((run) => tell(run)));
    const states = await Promise.all(calm.map((run) => stateInTime(run, isWhole)));
    const [wanted] = states;
    for (const [at, run] of calm.entries()) {
      t.strictSame(states[at], wanted, `${run.district} ends as the others do`);
      await same(t, run);
      await isSaidOnce(t, run);
    }
    t.ok(wanted !== undefined && typeof wanted !== "string" && isWhole(wanted), "and ends well");

    await t.test("a very large plan of one district keeps no other one waiting", (t) => largeBesideSmall(t, stage));

    const run = await storyIn(stage, "left", 20);
    const random = new Random(seed, 2);
    await Promise.all([
      tell(run, () => random.below(400)),
      ...serviceNames.map(async (service) => {
        await sleep(random.below(3_000));
        await stage.kill({ service, number: 1 });
      }),
    ]);
    const killedAt = performance.now();
    t.strictSame(await stateInTime(run, (state) => JSON.stringify(state) === JSON.stringify(wanted)), wanted);
    const tookMs = performance.now() - killedAt;
    t.comment(`the others had done all of it ${Math.round(tookMs)} ms after the last kill`);
    t.ok(tookMs < takeOverMs, "within the time of the leases");
    await same(t, run);
    await isSaidOnce(t, run);

    const words = { "ingest-sftp": "delivery read", diff: "changeset published", rosters: "rosters published" };
    const logs = await stage.end();
    for (const [service, word] of Object.entries(words))
      for (const number of [1, 2])
        t.ok(logs.get(`${service}-${number}`)?.includes(word), `${service}-${number} did some of it`);
  },
);

type Test = Pick<typeof t, "equal" | "same" | "comment">;

/** A set of a small district is read, and one is published, while those of a large one are read and published. */
async function largeBesideSmall(t: Test, stage: KafkaStage): Promise<void> {
  const [large, small] = [await storyIn(stage, "large", 10), await storyIn(stage, "small", 11)];
  await receiveSet(large, grown(setOf(large, 1), { night: 1, students: manyStudents }), "many");
  await receiveSet(small, setOf(small, 1), "few");
  const first = await untilPublished(small, 1);
  const readMeanwhile: unknown = await stage.system
    .sql("deliveries")
    .where({ district: large.district })
    .first("state");
  await untilChangeset(large, 1);
  await receiveSet(small, setOf(small, 2), "more");
  const second = await untilPublished(small, 2);
  const publishedMeanwhile = await stateOf(large, 1);
  const rest = await untilPublished(large, 1);
  t.comment(`small: ${first} ms and ${second} ms; the large one needed ${rest} ms more`);
  t.same(
    readMeanwhile,
    { state: "received" },
    "the first set of the small district is done while the large one is read",
  );
  t.equal(publishedMeanwhile, "applying", "the second one while the large one is published");
}

async function stateOf({ system, district }: Storyteller, number: number): Promise<string> {
  const row: { readonly state: string } | undefined = await system
    .sql("changesets")
    .where({ district, number })
    .first("state");
  return row?.state ?? "none";
}

/** Waits until the changeset is in one of the states. @returns how long that took, milliseconds. */
async function untilState(run: Storyteller, number: number, states: readonly string[]): Promise<number> {
  const startedAt = performance.now();
  for (; performance.now() - startedAt < limitMs / 2; await sleep(20))
    if (states.includes(await stateOf(run, number))) return Math.round(performance.now() - startedAt);
  throw new Error(`changeset ${number} of ${run.district} is not ${states.join(" or ")}`);
}

function untilChangeset(run: Storyteller, number: number): Promise<number> {
  return untilState(run, number, ["applying", "published"]);
}

function untilPublished(run: Storyteller, number: number): Promise<number> {
  return untilState(run, number, ["published"]);
}
