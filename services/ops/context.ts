// What the HTTP API needs of the world.

import type { Knex } from "knex";

import type { RecordCodec } from "../../libs/adapters/registry/record-codec.ts";
import type { Clock, EventLog } from "../../libs/ports.ts";
import type { LogState } from "../../libs/runtime/log-state.ts";
import type { Logger } from "../../libs/runtime/logger.ts";

export type OpsContext = {
  readonly log: EventLog;
  readonly sql: Knex;
  readonly records: RecordCodec;
  readonly clock: Clock;
  /** How the log is, for GET /health. */
  readonly logState: () => Promise<LogState>;
  readonly logger: Logger;
  /** Names of the services that run in this process, for GET /health. */
  readonly serviceNames: readonly string[];
};
