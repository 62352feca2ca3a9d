// What registration needs of the world.

import type { Knex } from "knex";
import type { Logger } from "pino";

import type { Inbox } from "../../libs/adapters/postgres/inbox.ts";
import type { RecordCodec } from "../../libs/adapters/registry/record-codec.ts";
import type { Clock, EventLog } from "../../libs/ports.ts";

export type RegistrationContext = {
  readonly log: EventLog;
  readonly sql: Knex;
  readonly records: RecordCodec;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly inbox: Inbox;
};
