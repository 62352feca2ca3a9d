// A consumer that is killed: it takes the district's next work, applies its effect and output, and stops before or after
// the commit, saying so, until the test kills it. Run as a process of its own with the database's URL and the moment.

import { kafkaLog } from "../../libs/adapters/kafka/log.ts";
import { openDatabase } from "../../libs/adapters/postgres/database.ts";
import { openInbox } from "../../libs/adapters/postgres/inbox.ts";
import { postgresLog } from "../../libs/adapters/postgres/log.ts";
import { openCodec } from "../../libs/adapters/registry/codec.ts";
import { repositoryRegistry } from "../../libs/adapters/registry/repository.ts";

const [, , url = "", moment = ""] = process.argv;
const database = openDatabase(url);
const codec = await openCodec(repositoryRegistry());
const { CRASH_BROKERS: brokers, CRASH_PREFIX: prefix = "" } = process.env;
const log =
  brokers === undefined
    ? postgresLog({ database, codec })
    : kafkaLog({ database, codec, brokers: brokers.split(","), clientId: "rollcall-test", prefix });
const inbox = openInbox({ log, sql: database.sql });

async function waitToBeKilled(): Promise<void> {
  process.stdout.write("now\n");
  await new Promise((resolve) => setTimeout(resolve, 60_000));
}

await inbox.pump({ consumer: "diff", topics: ["deliveries"] });
if (moment === "after pump") await waitToBeKilled();
const work = await inbox.nextWork("diff", "springfield");
if (work !== null) {
  await log.transaction(async (tx) => {
    await tx.sql("effects").insert({ work: work.id });
    tx.append("plans", [{ key: '["springfield"]', value: work.value }]);
    await inbox.finish(tx.sql, work.id);
    if (moment === "before commit") await waitToBeKilled();
  });
}
if (moment === "after commit") await waitToBeKilled();
await log.close();
await database.close();
