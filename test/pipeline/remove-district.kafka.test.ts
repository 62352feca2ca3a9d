// A district is removed on Kafka: what waits in the outbox, what is on the shared topics afterwards, that its topics never
// come again, and that a removal which is cut short or killed is ended by the next.

import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import t, { type Test } from "tap";

import { putInOutbox } from "../../libs/adapters/kafka/outbox.ts";
import { type HeldLease, holdLease } from "../../libs/adapters/postgres/leases.ts";
import { type RemovalStep, removalSteps, removeDistrict } from "../../libs/adapters/postgres/removal.ts";
import { stoneOf } from "../../libs/adapters/postgres/stones.ts";
import { remove } from "../../libs/cli/district-remove.ts";
import { controlKey, controlTopics, districtTopic, districtTopicKinds } from "../../libs/topics.ts";
import { start } from "../support/child.ts";
import { kafkaStage } from "../support/kafka-stage.ts";
import { kafkaBrokers, skipWholeSystems } from "../support/kafka.ts";
import { issuer, linkTo, putAccount, signIn } from "../support/people.ts";
import { peopleDistrict, type PeopleDistrict } from "../support/people-district.ts";
import { topicRecords } from "../support/pipeline.ts";
import {
  canary,
  caughtUp,
  leave,
  live,
  nothingIsLeft,
  person,
  quiet,
  sharedTopicsSayIt,
  stateOf,
  storeAccount,
  tables,
  until,
  wholeSystem,
} from "../support/removal.ts";
import type { TestSystem } from "../support/system.ts";

t.setTimeout(300_000);

/** What a subscriber of the topic has: the last value of each key that has one. */
async function heldBySubscribers(system: TestSystem, topic: string): Promise<readonly unknown[]> {
  const last = new Map<string, unknown>();
  for (const { key, value } of await topicRecords(system, topic)) last.set(key, value);
  return [...last.values()].filter((value) => value !== null);
}

/** What services appended while nobody can send: rows of the outbox, for a topic of the district's and a shared one. */
async function leaveUnsent({ system, district }: PeopleDistrict): Promise<{ readonly release: () => Promise<void> }> {
  const topics = [districtTopic("registrations", district), controlTopics.notices.name] as const;
  const held: HeldLease[] = [];
  for (const topic of topics) {
    for (;;) {
      const lease = await holdLease(system.sql, { name: `outbox.${topic}`, holder: randomUUID(), ttlMs: 15_000 });
      if (lease !== null) {
        held.push(lease);
        break;
      }
      await sleep(100);
    }
  }
  const words = { code: "unsent", severity: "warning", message: "", remedy: "", since: 0, at: 0 };
  const value = system.records.encode("rollcall.control.Notice", { district, ...words });
  await system.sql.transaction(async (trx) => {
    for (const topic of topics) await putInOutbox(trx, topic, [{ key: controlKey(district, "unsent"), value }]);
  });
  const release = async (): Promise<void> => void (await Promise.all(held.map((each) => each.release())));
  return { release };
}

async function nothingComesLater(t: Test, { system, district }: PeopleDistrict): Promise<void> {
  await signIn(system, { district, subject: "canary-late", given: "Canary" });
  await system.log.transaction(async (tx) => {
    for (const { name } of [controlTopics.deliveries, controlTopics.decisions, controlTopics.changesets])
      tx.append(name, [{ key: controlKey(district, "files"), value: Buffer.from("canary: not even a record") }]);
    await Promise.resolve();
  });
  await putAccount(system, { account: "late", link: linkTo({ district, issuer, subject: "canary-late" }) });
  // A removal that was killed may hold the lease of an outbox for as long as it lasts.
  await until(async () => (await system.sql("outbox").limit(1)).length === 0);
  await caughtUp(system);
  await quiet(system);
  t.match(await system.sql("accounts").where({ id: "late" }), [{ login: null, district: null }]);
  for (const [table, texts] of await tables(system)) t.notMatch(texts.join("\n"), canary, `the table ${table}`);
  for (const kind of districtTopicKinds) t.equal(await system.log.extent(districtTopic(kind, district)), null, kind);
}

void t.test(
  "I18 on Kafka too nothing is left of a district but its id, wherever its removal was cut short",
  async (t) => {
    const stage = await kafkaStage(t);
    if (stage === null) return;
    const system = wholeSystem(t, stage.system);
    const gone = await peopleDistrict(system);
    const stays = await peopleDistrict(system);
    await Promise.all([live(gone, person, "canary-subject"), live(stays, { givenName: "Other" }, "other-subject")]);
    await storeAccount(gone);
    const granted = districtTopic("registrations", gone.district);
    const shown = districtTopic("teacherRosters", gone.district);
    t.match(await heldBySubscribers(system, granted), [{ status: "granted" }]);
    t.equal((await heldBySubscribers(system, shown)).length, 1, "there is a roster");
    await leave(gone);
    t.match(await heldBySubscribers(system, granted), [{ status: "refused" }], "every grant is taken back");
    t.same(await heldBySubscribers(system, shown), [], "and every roster, by a null");
    // Some consumers look every two seconds only.
    await caughtUp(system);
    const neighbour = await stateOf(system, stays);
    const generation = (await system.log.extent(districtTopic("roster", gone.district)))?.generation;

    const unsent = await leaveUnsent(gone);
    const cut = (at: RemovalStep) => (step: RemovalStep) => {
      if (step === at) throw new Error(`cut short before ${at}`);
    };
    for (const step of removalSteps)
      await t.rejects(remove(system, gone.district, { isSure: true, begins: cut(step) }), {
        message: `cut short before ${step}`,
      });
    await t.rejects(
      removeDistrict(system, gone.district, { patienceMs: 300 }),
      { code: "kafka.unreachable", retryable: true },
      "until the shared topics have what was appended, nobody can say how long they keep it",
    );
    await unsent.release();
    const removed = await remove(system, gone.district, { isSure: true });
    t.match(removed, { outcome: "done", leftOn: "2025-10-01" });
    t.strictSame(
      removed.copies.map(({ topic, until }) => `${topic} ${until}`),
      [
        "deliveries 2026-01-06",
        "requests 2025-11-07",
        "plans 2026-01-06",
        "decisions 2026-01-06",
        "changesets 2026-01-06",
        "sso.logins 2025-11-07",
        "accounts 2025-10-22",
        "notices 2025-11-07",
      ],
      "a week more than the topics keep it, since a segment goes as a whole",
    );
    t.strictSame(await system.sql("outbox"), []);
    const notices = await topicRecords(system, controlTopics.notices.name);
    t.ok(
      notices.some(({ key }) => key === controlKey(gone.district, "unsent")),
      "what a shared topic was to get, it got before the day was counted",
    );
    await quiet(system);

    await nothingIsLeft(t, gone);
    t.match(await stoneOf(system.sql, gone.district), { changeset: 2, generation });
    await sharedTopicsSayIt(t, system, { gone: gone.district, stays: stays.district });
    await nothingComesLater(t, gone);
    t.strictSame(await stateOf(system, stays), neighbour, "the neighbour is as it was");
  },
);

void t.test("a removal that is killed again and again is ended by the next", { skip: skipWholeSystems }, async (t) => {
  const stage = await kafkaStage(t);
  const brokers = await kafkaBrokers(t);
  if (stage === null || brokers === null) return;
  const system = wholeSystem(t, stage.system);
  const gone = await peopleDistrict(system);
  await live(gone, person, "canary-subject");
  await leave(gone);
  const launcher = join(import.meta.dirname, "../../bin/rollcall");
  let kills = 0;
  for (let afterMs = 400; ; afterMs *= 1.25) {
    const removal = start([launcher, "district", "remove", gone.district, "--sure"], { env: stage.environment });
    const alarm = setTimeout(() => removal.kill("SIGKILL"), afterMs);
    const { code, signal, stdout, stderr } = await removal.ended;
    clearTimeout(alarm);
    if (signal === null) {
      t.equal(code, 0, stderr);
      t.match(stdout, /nothing of it is kept but its id[^]*accounts until/u);
      break;
    }
    kills++;
    // Its leases lapse by themselves; the test need not wait for that.
    await system.sql("leases").where("name", "like", `%.${gone.district}`).update({ expires_at: "-infinity" });
  }
  t.comment(`killed ${kills} times`);
  t.ok(kills > 2, "it was killed");
  await quiet(system);
  await nothingIsLeft(t, gone);
  await nothingComesLater(t, gone);
});
