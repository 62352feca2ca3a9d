// `make demo` says the same on both logs.

import { join } from "node:path";
import t from "tap";

import { finish } from "../support/child.ts";
import { kafkaBrokers, skipWholeSystems } from "../support/kafka.ts";

t.setTimeout(300_000);

const root = join(import.meta.dirname, "..", "..");

/** What differs between any two runs taken away: times, ids of people and logins, and where it runs. */
function comparable(text: string): string {
  return text
    .replaceAll(/\d{4}-\d{2}-\d{2}T[\d:.]+Z/gu, "<time>")
    .replaceAll(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/gu, "<id>")
    .replace(/^Rollcall is up: .*$/mu, "Rollcall is up");
}

t.test("the demo on Kafka ends well and says what it says on PostgreSQL", { skip: skipWholeSystems }, async (t) => {
  if ((await kafkaBrokers(t)) === null) return;
  const onPostgres = await finish([join(root, "bin/rollcall"), "demo"]);
  const onKafka = await finish([join(root, "bin/rollcall"), "demo", "--log", "kafka"]);
  t.equal(onKafka.code, 0, onKafka.stderr);
  t.match(onKafka.stdout, /^Rollcall is up: Kafka at 127\.0\.0\.1:\d+, /mu);
  t.equal(comparable(onKafka.stdout), comparable(onPostgres.stdout));
  t.ok(onKafka.stdout.match(/agrees with the generator's own ledger/gu)?.length === 6, "every night agrees");
});
