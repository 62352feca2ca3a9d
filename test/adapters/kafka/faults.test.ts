// kafkajs' faults whose guard is that a thing is not used, or is always said: checked in the source.
// Those that can be provoked are in the other files beside this one: C, N and the fence in writer, D and F in reader,
// J and K in record-batch, the timer in shim.

import { readdirSync, readFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import t from "tap";
import { KafkaCluster } from "../../../libs/adapters/kafka/cluster.ts";
import { topicSettings } from "../../../libs/adapters/kafka/topic-settings.ts";
import { allTopics } from "../../../libs/topics.ts";
import type { Teardown } from "../../support/teardown.ts";

// A broker's error code.
const timedOut = 7;

const root = join(import.meta.dirname, "..", "..", "..");
const sources = ["libs", "services"].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .map((path) => ({ path: join(folder, path), text: readFileSync(join(root, folder, path), "utf8") })),
);

/** Files in which the pattern stands. */
function where(pattern: RegExp): readonly string[] {
  return sources.filter(({ text }) => pattern.test(text)).map(({ path }) => path);
}

t.test("the pattern finds what it looks for", async (t) => {
  t.ok(sources.length > 100);
  t.same(where(/\.admin\(\{/u), ["libs/adapters/kafka/shim.ts"]);
});

t.test("faults A, B, C, I: kafkajs' producer is not used, nor a transaction of its", async (t) => {
  t.same(where(/\.producer\(|\.transaction\(\{|sendBatch\(/u), []);
});

t.test(
  "faults F, G, H, L: kafkajs' consumer is not used, so no group resets, resolves, crashes or rebalances",
  async (t) => {
    t.same(where(/\.consumer\(|eachBatch|eachMessage/u), []);
  },
);

t.test("kafkajs is loaded by the shim alone, which refuses every version but one", async (t) => {
  t.same(
    where(/from "kafkajs"|require\("kafkajs/u).filter(
      (path) => !/^libs\/adapters\/kafka\/(?:shim|admin)\.ts$/u.test(path),
    ),
    [],
  );
  const file: { readonly dependencies: Readonly<Record<string, string>> } = JSON.parse(
    readFileSync(join(root, "package.json"), "utf8"),
  );
  t.equal(file.dependencies["kafkajs"], "2.2.4", "pinned exactly");
});

t.test("fault E: settings are changed in one place, which sends and reads back the whole set", async (t) => {
  t.same(where(/alterConfigs\(/u), ["libs/adapters/kafka/admin.ts"]);
  for (const { name } of allTopics) t.ok(topicSettings(name)["cleanup.policy"], `${name} always says its policy`);
});

t.test("fault M: record times are the brokers', on every topic; a key can be no null by its type", async (t) => {
  for (const { name, kept } of allTopics) {
    const settings = topicSettings(name.replace("<district>", "springfield"), { replicas: 3 });
    t.match(settings, {
      "message.timestamp.type": "LogAppendTime",
      "min.insync.replicas": "2",
      "cleanup.policy": kept.policy,
    });
    if (kept.policy === "compact")
      t.match(settings, {
        "min.compaction.lag.ms": String(kept.minLagMs),
        "max.compaction.lag.ms": String(kept.maxLagMs),
        "delete.retention.ms": String(kept.tombstoneMs),
      });
    else t.equal(settings["retention.ms"], String(kept.retentionMs));
  }
  t.equal(topicSettings("roster.springfield")["compression.type"], undefined, "as we write it");
  t.equal(topicSettings("sso.logins")["compression.type"], "gzip", "others compress as they like, brokers convert");
});

/** A broker that takes connections and refuses to say what it can do. @returns its port, and whom it took. */
async function speechlessBroker(t: Teardown): Promise<{ readonly port: number; readonly sockets: readonly Socket[] }> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => {});
    socket.on("data", (request) => {
      const answer = Buffer.alloc(18);
      answer.writeInt32BE(14, 0);
      request.copy(answer, 4, 8, 12);
      answer.writeInt16BE(timedOut, 8);
      socket.write(answer);
    });
  });
  t.teardown(() => void server.close());
  await new Promise<void>((listening) => void server.listen(0, "127.0.0.1", listening));
  const address = server.address();
  return { port: typeof address === "object" && address !== null ? address.port : 0, sockets };
}

t.test("a broker that takes connections and does not begin to speak is away, and is asked anew", async (t) => {
  const { port, sockets } = await speechlessBroker(t);
  const cluster = new KafkaCluster({ brokers: [`127.0.0.1:${port}`], clientId: "rollcall-test" }, { patienceMs: 300 });
  await t.rejects(cluster.initProducer("writer", "topic"), { code: "kafka.unreachable", retryable: true });
  t.ok(sockets.length > 1, "each attempt connects again");
  await cluster.close();
});
