// Kills each service, a process of its own on a real broker, at random moments while sets are delivered and teachers sign
// in, starts it again, and compares what became of the district with one that nobody disturbed and with its last set.
// `TORTURE=1` kills each service ten times, `SEED=7` at other moments.

import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";

import { isSaidOnce, repeatFaults, same } from "../support/kafka-audit.ts";
import { isWhole, stateInTime, storyIn, tell } from "../support/kafka-people.ts";
import { kafkaStage, type KafkaStage, nameOf, serviceNames } from "../support/kafka-stage.ts";
import { Random } from "../support/seeded.ts";

const isTorture = process.env["TORTURE"] === "1";
const seed = Number(process.env["SEED"] ?? 1);
const rounds = isTorture ? 10 : 1;
const limitMs = isTorture ? 1_700_000 : 240_000;
t.setTimeout(limitMs);

/** Each service once, in some order, within the seconds of the story and those after it. */
async function killEach(stage: KafkaStage, random: Random, told: (line: string) => void): Promise<void> {
  await Promise.all(
    serviceNames.map(async (service) => {
      const instance = { service, number: 1 };
      const afterMs = random.below(4_000);
      await sleep(afterMs);
      await stage.kill(instance);
      told(`kill -9 ${nameOf(instance)} after ${afterMs} ms`);
      await stage.launch(instance);
    }),
  );
}

void t.test(
  "I17 services that are killed on a real broker end in what a clean run ends in, and repeat nothing that is not known as a repeat",
  { timeout: limitMs },
  async (t) => {
    const stage = await kafkaStage(t);
    if (stage === null) return;
    await stage.start(...serviceNames.map((service) => ({ service, number: 1 })));
    const calm = await storyIn(stage, "calm", 1);
    await tell(calm);
    const wanted = await stateInTime(calm, isWhole);
    t.ok(typeof wanted !== "string" && isWhole(wanted), "a clean run ends well", { wanted });
    await same(t, calm);
    const random = new Random(seed, rounds);
    for (let round = 1; round <= rounds; round++) {
      const run = await storyIn(stage, `storm${round}`, 1 + round);
      const about = `SEED=${seed}, round ${round}`;
      await Promise.all([
        killEach(stage, random, (line) => t.comment(`${about}: ${line}`)),
        tell(run, () => random.below(500)),
      ]);
      const found = await stateInTime(run, (state) => JSON.stringify(state) === JSON.stringify(wanted));
      t.strictSame(found, wanted, about);
      await same(t, run);
      await isSaidOnce(t, run);
    }
  },
);

void t.test("a record that is said again by another number, late or changed is no known repeat", async (t) => {
  const said = (number: string, text: string) => ({ key: "k", value: Buffer.from(text), number });
  const [first, second, third] = [said("1", "a"), said("2", "b"), said("3", "c")];
  t.strictSame(repeatFaults([first, second, first, second, third]), [], "sent again from where it was cut");
  t.strictSame(repeatFaults([first, third, second]), ["k: 2 comes after 3", "k ends in an old word"]);
  t.strictSame(repeatFaults([first, said("1", "b")]), ["1 is said of two records"]);
  t.strictSame(repeatFaults([first, second, first]), ["k ends in an old word"]);
  t.strictSame(repeatFaults([{ ...first, number: null }]), ["k has no number"]);
});
