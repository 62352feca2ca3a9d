// The contract of the log on Kafka.

import t from "tap";
import { eventLogContract } from "../../contract/event-log.ts";
import { kafkaBrokers } from "../../support/kafka.ts";
import { freshKafkaLogs } from "./fresh-logs.ts";

const brokers = await kafkaBrokers(t);
if (brokers !== null) eventLogContract("the Kafka log", (test) => freshKafkaLogs(test, brokers));
