// What the work on one district needs: the ports, and the district whose lease is held.

import type { Knex } from "knex";
import type { Logger } from "pino";

import { checkLease } from "../../libs/adapters/postgres/leases.ts";
import type { Inbox } from "../../libs/adapters/postgres/inbox.ts";
import type { ChangeCodec } from "../../libs/adapters/registry/change-codec.ts";
import type { RecordCodec } from "../../libs/adapters/registry/record-codec.ts";
import type { DistrictId } from "../../libs/domain/ids.ts";
import type { Clock, EventLog, Lease, TopicWriter, Transaction } from "../../libs/ports.ts";
import { districtTopic } from "../../libs/topics.ts";

export type DiffContext = {
  readonly log: EventLog;
  readonly sql: Knex;
  readonly changes: ChangeCodec;
  readonly records: RecordCodec;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly inbox: Inbox;
  /** When a range was last asked for, by delivery and attempt: not at every look again. */
  readonly askedAt: Map<string, number>;
};

/** A district while its lease is held, with the one writer of its roster. */
export type HeldDistrict = {
  readonly id: DistrictId;
  readonly lease: Lease;
  readonly writer: TopicWriter;
  readonly topics: { readonly entities: string; readonly roster: string };
};

/**
 * Begins a transaction of a holder: the district's row is locked first, as everywhere, then the lease is checked.
 * @throws AppError `lease.lost`.
 */
export async function fence(tx: Transaction, { id, lease }: Pick<HeldDistrict, "id" | "lease">): Promise<void> {
  await tx.sql.raw("select 1 from districts where id = ? for no key update", [id]);
  await checkLease(tx.sql, lease);
}

export function topicsOf(district: DistrictId): HeldDistrict["topics"] {
  return { entities: districtTopic("entities", district), roster: districtTopic("roster", district) };
}
