// A broker that compacts under everybody: after many small deliveries a subscriber and services that begin at the start of
// the topics hold what those hold that were there all the time; and a topic that others deleted is noticed.
// That a read which ends below its target fails, and that a reader who was away for too long rebuilds, is proven by
// test/adapters/kafka/reader.kafka.test.ts, test/contract/log-ranges.ts and test/services/rosters/rebuilding.pg.test.ts.

import { setTimeout as sleep } from "node:timers/promises";
import kafkajs from "kafkajs";
import t from "tap";

import { rebuild } from "../../services/rosters/rebuild.ts";
import { districtTopic } from "../../libs/topics.ts";
import { alterTopic, eagerCompaction } from "../adapters/kafka/fresh-logs.ts";
import { same } from "../support/kafka-audit.ts";
import {
  folderOf,
  isWhole,
  laterSetOf,
  receiveSet,
  stateInTime,
  storyIn,
  type Storyteller,
  tell,
} from "../support/kafka-people.ts";
import { kafkaStage, serviceNames } from "../support/kafka-stage.ts";
import { kafkaBrokers, skipWholeSystems } from "../support/kafka.ts";
import { topicRecords } from "../support/pipeline.ts";

const nights = process.env["TORTURE"] === "1" ? 40 : 5;
const patienceMs = 120_000;
t.setTimeout(600_000);

async function until(isSo: () => Promise<boolean>, what: string): Promise<void> {
  for (const deadline = performance.now() + patienceMs; !(await isSo()); await sleep(100))
    if (performance.now() > deadline) throw new Error(`in vain: ${what}`);
}

/** A set is delivered, and all of its changes are with the teachers. */
async function deliver(run: Storyteller, night: number, name = `night-${night}`): Promise<void> {
  const { system, district } = run;
  const delivery = await receiveSet(run, laterSetOf(run, night), name);
  await until(async () => {
    const row: unknown = await system
      .sql("changesets")
      .where({ district, delivery, state: "published" })
      .first("number");
    const newest = system.sql("changesets").where({ district }).max("number");
    const applied: unknown = await system
      .sql("roster_positions")
      .where({ district, changeset: newest })
      .first("changeset");
    const unsent: unknown = await system.sql("outbox").first("topic");
    return row !== undefined && applied !== undefined && unsent === undefined;
  }, `${name} is published and applied`);
}

async function entityRecords({ system, district }: Storyteller): Promise<number> {
  const records = await topicRecords(system, districtTopic("roster", district));
  return records.filter(({ key }) => !key.startsWith('["writer"') && !key.startsWith('["changeset"')).length;
}

void t.test(
  "I22 whoever begins after compaction holds what those hold that followed",
  { skip: skipWholeSystems },
  async (t) => {
    const brokers = await kafkaBrokers(t);
    const stage = brokers === null ? null : await kafkaStage(t);
    if (stage === null || brokers === null) return;
    const { system } = stage;
    await stage.start(...serviceNames.map((service) => ({ service, number: 1 })));
    const run = await storyIn(stage, "silted", 1);
    const { district } = run;
    await tell(run);
    await stateInTime(run, isWhole);
    for (const kind of ["roster", "teacherRosters", "registrations"] as const)
      await alterTopic(brokers, { name: stage.prefix + districtTopic(kind, district), settings: eagerCompaction });
    const last = 3 + nights;
    for (let night = 4; night <= last; night++) {
      await deliver(run, night);
      await sleep(700);
    }
    const topic = districtTopic("roster", district);
    const appended = (await system.log.extent(topic))?.end ?? 0;
    await until(async () => (await topicRecords(system, topic)).length < appended * 0.9, "the broker compacts");
    t.comment(`${appended} records were appended, ${(await topicRecords(system, topic)).length} are left`);

    t.type(await stateInTime(run, isWhole), "object", "the other topics say what the tables hold");
    await same(t, run, folderOf(run, `night-${last}`));
    const { differences } = await rebuild(system, district, { isDryRun: true, patienceMs });
    t.same(differences, [], "tables made from the compacted topic are those that followed it");

    await stage.kill({ service: "diff", number: 1 });
    await stage.start({ service: "diff", number: 1 });
    const before = await entityRecords(run);
    await deliver(run, last, "again");
    t.ok((await entityRecords(run)) <= before, "who folds the compacted topic anew finds nothing to change");
    await deliver(run, last + 1);
    await stateInTime(run, isWhole);
    await same(t, run, folderOf(run, `night-${last + 1}`));

    const generation = (await system.log.extent(topic))?.generation;
    await deleteTopic(brokers, stage.prefix + topic);
    await deliver(run, last + 2);
    await stateInTime(run, isWhole);
    t.not((await system.log.extent(topic))?.generation, generation, "all of it is on a topic that is another");
    await same(t, run, folderOf(run, `night-${last + 2}`));
  },
);

/** As somebody else would, past everything of ours. */
async function deleteTopic(brokers: string, name: string): Promise<void> {
  const admin = new kafkajs.Kafka({ brokers: brokers.split(","), logLevel: kafkajs.logLevel.NOTHING }).admin();
  await admin.connect();
  await admin.deleteTopics({ topics: [name] });
  await admin.disconnect();
}
