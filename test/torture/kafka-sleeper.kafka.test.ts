// One writer per district, also when two processes believe they are it: a process of diff is stopped in the middle of a
// changeset, another one takes over when the lease is over, and the first one goes on where it was. In upserts and
// in nulls; only under `TORTURE=1`, since leases take their time. A process whose own clock tells it that its lease is good
// still sends what it has, and the broker refuses it: that is quick, and always tested.

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";

import { freshKafkaLogs } from "../adapters/kafka/fresh-logs.ts";
import { codeOf, lapse, leaseOf, readAll, record, topic } from "../contract/log-under-test.ts";

import { readImage } from "../sample/naive.ts";
import { defaultPolicy } from "../../libs/domain/policy.ts";
import { districtTopic } from "../../libs/topics.ts";
import { checkPublished } from "../support/checker.ts";
import { start } from "../support/child.ts";
import { kafkaBrokers } from "../support/kafka.ts";
import { changedTwice, unfinished } from "../support/kafka-audit.ts";
import { folderOf, grown, receiveSet, setOf, storyIn, type Storyteller } from "../support/kafka-people.ts";
import { type Instance, kafkaStage } from "../support/kafka-stage.ts";
import { TestDistrict } from "../support/pipeline.ts";

const isTorture = process.env["TORTURE"] === "1";
const students = 10_000;
/** So many records of a changeset are there when its writer is stopped. */
const someRecords = 2_000;
const patienceMs = 120_000;
const awakeMs = 3_000;
t.setTimeout(600_000);

const [first, second]: readonly Instance[] = [1, 2].map((number): Instance => ({ service: "diff", number }));

async function until<T>(ask: () => Promise<T | undefined>, what: string): Promise<T> {
  for (const deadline = performance.now() + patienceMs; performance.now() < deadline; await sleep(10)) {
    const answer = await ask();
    if (answer !== undefined) return answer;
  }
  throw new Error(`in vain: ${what}`);
}

type Row = { readonly state: string; readonly from_offset: number };

function changeset({ system, district }: Storyteller, number: number): Promise<Row | undefined> {
  return system.sql("changesets").where({ district, number }).first("state", "from_offset");
}

async function endOf({ system, district }: Storyteller): Promise<number> {
  return (await system.log.extent(districtTopic("roster", district)))?.end ?? 0;
}

/** Resolves in the middle of the publishing of a changeset. */
function untilMiddle(run: Storyteller, number: number): Promise<true> {
  return until(async () => {
    const row = await changeset(run, number);
    if (row?.state === "published") throw new Error("it was published too fast to be stopped");
    return row !== undefined && (await endOf(run)) > row.from_offset + someRecords ? true : undefined;
  }, `changeset ${number} is being published`);
}

function untilPublished(run: Storyteller, number: number): Promise<true> {
  return until(
    async () => ((await changeset(run, number))?.state === "published" ? true : undefined),
    `changeset ${number} is published`,
  );
}

const skip = isTorture ? false : "it takes its time: make torture";

void t.test(
  "I21 a writer that sleeps through its lease in mid-changeset adds nothing when it wakes",
  { skip },
  async (t) => {
    const stage = await kafkaStage(t);
    if (stage === null || first === undefined || second === undefined) return;
    await stage.start({ service: "ingest-sftp", number: 1 }, first);
    const run = await storyIn(stage, "sleepy", 1);
    await allowDeletes(run);

    const checks = async (set: string): Promise<void> => {
      const image = readImage(folderOf(run, set));
      await checkPublished(t, new TestDistrict(stage.system, run.district), image, `the fold is the set of ${set}`);
      t.same(await changedTwice(run), [], "no change is said twice");
      t.same(await unfinished(run), [], "every changeset is whole");
    };
    const wakes = async (sleeper: Instance): Promise<void> => {
      const before = await endOf(run);
      stage.signal(sleeper, "SIGCONT");
      await sleep(awakeMs);
      t.equal(await endOf(run), before, "nothing was added by who woke");
      t.match(
        await stage.untilHealth(sleeper, ({ status }) => status === 200),
        { status: 200 },
        "who goes on by itself",
      );
    };

    await receiveSet(run, grown(setOf(run, 1), { night: 1, students }), "upserts");
    await untilMiddle(run, 1);
    stage.signal(first, "SIGSTOP");
    t.match(await changeset(run, 1), { state: "applying" }, "it is stopped in the middle");
    await stage.start(second);
    await untilPublished(run, 1);
    await wakes(first);
    await checks("upserts");

    await receiveSet(run, setOf(run, 1), "nulls");
    await untilMiddle(run, 2);
    const [sleeper, other] = await whoPublishes(run, first);
    stage.signal(sleeper, "SIGSTOP");
    stage.signal(other, "SIGCONT");
    t.match(await changeset(run, 2), { state: "applying" }, "it is stopped in the middle");
    await untilPublished(run, 2);
    await wakes(sleeper);
    await checks("nulls");

    /** Stops one of both: if the topic stands still, it is the writer. */
    async function whoPublishes(told: Storyteller, one: Instance): Promise<readonly [Instance, Instance]> {
      const another = one === first && second !== undefined ? second : one;
      stage?.signal(one, "SIGSTOP");
      const before = await endOf(told);
      await sleep(300);
      return (await endOf(told)) > before ? [another, one] : [one, another];
    }
  },
);

for (const what of ["an upsert", "null"]) {
  void t.test(
    `I21 ${what === "null" ? "a null" : what} of a stopped and continued process is refused by the broker itself`,
    async (t) => {
      const brokers = await kafkaBrokers(t);
      if (brokers === null) return;
      const { log, database, prefix } = await freshKafkaLogs(t, brokers);
      await log.createTopic(topic);
      const program = join(import.meta.dirname, "../support/kafka-sleeper.ts");
      const sleeper = start([process.execPath, program, database.url, brokers, prefix, topic, what]);
      t.teardown(() => sleeper.kill("SIGKILL"));
      await sleeper.said("asleep");
      sleeper.kill("SIGSTOP");
      await lapse(database);
      const young = await log.openWriter(topic, await leaseOf(database));
      await young.append([record("k", "of the young")]);
      const before = await readAll(log, topic);
      sleeper.kill("SIGCONT");
      const { stdout, stderr } = await sleeper.ended;
      t.equal(stdout, "asleep\nlog.writer-fenced INVALID_PRODUCER_EPOCH\n", "the broker says so", { stderr });
      t.same((await readAll(log, topic)).length, before.length, "nothing was added");
      t.equal(await codeOf(young.append([record("k", "again")])), "resolved", "and the younger one goes on");
    },
  );
}

async function allowDeletes({ system, district }: Storyteller): Promise<void> {
  const { deletes } = defaultPolicy.limits;
  const all = Object.fromEntries(Object.keys(deletes).map((type) => [type, { share: 1, count: 1_000_000 }]));
  await system
    .sql("districts")
    .where({ id: district })
    .update({
      policy: system.sql.raw("jsonb_set(policy, '{limits,deletes}', ?::jsonb)", [JSON.stringify(all)]),
    });
}
