// The door to kafkajs on a real broker: its timer fault is repaired, and failures are told apart.

import t from "tap";
import { KafkaCluster } from "../../../libs/adapters/kafka/cluster.ts";
import { fetchFrom } from "../../../libs/adapters/kafka/requests.ts";
import { freePorts } from "../../../libs/stack/free-ports.ts";
import { codeOf } from "../../contract/log-under-test.ts";
import { kafkaBrokers } from "../../support/kafka.ts";
import { freshKafkaLogs } from "./fresh-logs.ts";

const brokers = await kafkaBrokers(t);

if (brokers !== null) {
  t.test("the timer fault of kafkajs' request queue gives no warning", async (t) => {
    const warnings: string[] = [];
    const listen = ({ name }: Error): void => void warnings.push(name);
    process.on("warning", listen);
    t.teardown(() => process.off("warning", listen));
    const cluster = new KafkaCluster({ brokers: brokers.split(","), clientId: "rollcall-test" });
    for (let i = 0; i < 5; i++) await cluster.place("no-such-topic");
    await cluster.close();
    t.same(warnings, []);
  });

  t.test("many first requests at once open no socket that is forgotten", async (t) => {
    const { log, prefix } = await freshKafkaLogs(t, brokers);
    await log.createTopic("deliveries");
    const sockets = (): number => process.getActiveResourcesInfo().filter((each) => each === "TCPSocketWrap").length;
    const before = sockets();
    const cluster = new KafkaCluster({ brokers: brokers.split(","), clientId: "rollcall-test" });
    const fetch = fetchFrom(`${prefix}deliveries`, { offset: 0, maxBytes: 1_000, maxWaitMs: 1 });
    await Promise.all(Array.from({ length: 20 }, () => cluster.toLeader(`${prefix}deliveries`, fetch)));
    t.equal(sockets() - before, 2, "one for fetches and one for the rest");
    await cluster.close();
  });

  t.test("a closed cluster connects to nothing any more", async (t) => {
    const cluster = new KafkaCluster({ brokers: brokers.split(","), clientId: "rollcall-test" });
    await cluster.place("no-such-topic");
    await cluster.close();
    await cluster.close();
    t.equal(await codeOf(cluster.place("no-such-topic")), "kafka.unreachable");
  });

  t.test(
    "brokers that are not there are an error that may pass, a topic name they refuse one that does not",
    async (t) => {
      const [port = 0] = await freePorts(1);
      const away = new KafkaCluster({ brokers: [`127.0.0.1:${port}`], clientId: "rollcall-test" }, { patienceMs: 300 });
      await t.rejects(away.place("a"), { code: "kafka.unreachable", retryable: true });
      await away.close();
      const cluster = new KafkaCluster({ brokers: brokers.split(","), clientId: "rollcall-test" });
      await t.rejects(cluster.place("not a name"), { code: "kafka.refused", retryable: false });
      await cluster.close();
    },
  );
}
