// The contract of the inbox on the Kafka log.

import t from "tap";
import { inboxContract } from "../../contract/inbox.ts";
import { kafkaBrokers } from "../../support/kafka.ts";
import { freshKafkaLogs } from "./fresh-logs.ts";

const brokers = await kafkaBrokers(t);
if (brokers !== null) inboxContract("the Kafka log", (test) => freshKafkaLogs(test, brokers));
