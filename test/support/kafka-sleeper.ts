// A writer that sleeps through its lease: opens the topic's writer, says so, and when it is continued after a stop appends
// one record, an upsert or a null, and says what became of it. Its own clock tells it that the lease is good still, so that
// it sends. Run as a process of its own with the database's URL, the brokers, the prefix of topics, the topic and what to
// append.

import { kafkaLog } from "../../libs/adapters/kafka/log.ts";
import { openDatabase } from "../../libs/adapters/postgres/database.ts";
import { takeLease } from "../../libs/adapters/postgres/leases.ts";
import { openCodec } from "../../libs/adapters/registry/codec.ts";
import { repositoryRegistry } from "../../libs/adapters/registry/repository.ts";
import { isAppError } from "../../libs/errors.ts";

const [, , url = "", brokers = "", prefix = "", topic = "", what = ""] = process.argv;
const database = openDatabase(url);
const codec = await openCodec(repositoryRegistry());
const log = kafkaLog({ database, codec, brokers: brokers.split(","), clientId: "rollcall-sleeper", prefix });
const lease = await takeLease(database.sql, { name: topic, holder: "sleeper", ttlMs: 600_000 });
if (lease === null) throw new Error("someone holds the lease");
const writer = await log.openWriter(topic, lease);
await writer.append([{ key: "k", value: Buffer.from("of the sleeper") }]);
const awake = new Promise<void>((resolve) => process.once("SIGCONT", () => resolve()));
const alive = setInterval(() => {}, 60_000);
process.stdout.write("asleep\n");
await awake;
clearInterval(alive);
process.stdout.write(`${await outcome()}\n`);
await log.close();
await database.close();

/** The error's code, and the broker's own word for it. */
async function outcome(): Promise<string> {
  try {
    await writer.append([{ key: "k", value: what === "null" ? null : Buffer.from(what) }]);
    return "appended";
  } catch (error) {
    const cause: unknown = isAppError(error) ? error.cause : null;
    const type = typeof cause === "object" && cause !== null && "type" in cause ? String(cause.type) : "none";
    return `${isAppError(error) ? error.code : String(error)} ${type}`;
  }
}
