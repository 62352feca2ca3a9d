// Leases: the right of one holder to do something alone, for a time that the database measures.
// It keeps true: at most one holder at a time by the database's clock, and an epoch that grows with every take and never
// repeats, so that what an earlier holder still tries can be told from what the present one does.
//
//   free (no row, or lapsed) --take--> held --renew--> held --release or time--> free

import { setTimeout as sleep } from "node:timers/promises";
import type { Knex } from "knex";
import { AppError } from "../../errors.ts";
import type { Lease } from "../../ports.ts";

/** Whose lease, under which name, for how long from now. A holder is one attempt of one process, such as a random id. */
export type LeaseRequest = { readonly name: string; readonly holder: string; readonly ttlMs: number };

/** The lease that lasts a week from a record which was written to a topic only so that it is not silent. */
export function weekLease(topic: string): string {
  return `week.${topic}`;
}

type EpochRow = { readonly epoch: number };

/** @returns null when someone holds it, also when that is the same holder. */
export async function takeLease(sql: Knex, { name, holder, ttlMs }: LeaseRequest): Promise<Lease | null> {
  const { rows } = await sql.raw<{ readonly rows: readonly EpochRow[] }>(
    `insert into leases (name, holder, epoch, expires_at)
     values (:name, :holder, 1, clock_timestamp() + :ttlMs * interval '1 millisecond')
     on conflict (name) do update
       set holder = excluded.holder, epoch = leases.epoch + 1, expires_at = excluded.expires_at
       where leases.expires_at <= clock_timestamp()
     returning epoch`,
    { name, holder, ttlMs },
  );
  const [row] = rows;
  return row === undefined ? null : { name, holder, epoch: row.epoch };
}

/** Moves the end of a lease. @returns false when it has lapsed or is another's: it cannot be revived, only taken anew. */
export async function renewLease(sql: Knex, lease: Lease, ttlMs: number): Promise<boolean> {
  const { rows } = await sql.raw<{ readonly rows: readonly EpochRow[] }>(
    `update leases set expires_at = clock_timestamp() + :ttlMs * interval '1 millisecond'
     where name = :name and holder = :holder and epoch = :epoch and expires_at > clock_timestamp()
     returning epoch`,
    { ...lease, ttlMs },
  );
  return rows.length > 0;
}

/** Ends a lease early, so that the next holder need not wait. Twice, or when it is lost, changes nothing. */
export async function releaseLease(sql: Knex, { name, holder, epoch }: Lease): Promise<void> {
  await sql("leases").where({ name, holder, epoch }).update({ expires_at: "-infinity" });
}

/**
 * Checks the lease within a transaction and keeps others from taking it until that commits or rolls back.
 * @throws AppError `lease.lost`.
 */
export async function checkLease(trx: Knex.Transaction, { name, holder, epoch }: Lease): Promise<void> {
  const { rows } = await trx.raw<{ readonly rows: readonly unknown[] }>(
    `select 1 from leases
     where name = :name and holder = :holder and epoch = :epoch and expires_at > clock_timestamp() for share`,
    { name, holder, epoch },
  );
  if (rows.length === 0) throw new AppError("lease.lost", { details: { lease: name, epoch } });
}

export type HeldLease = {
  readonly lease: Lease;
  /** Aborts, with AppError `lease.lost` as its reason, as soon as the lease may be lost. */
  readonly signal: AbortSignal;
  /** Stops renewing and releases. Twice is harmless. */
  release(): Promise<void>;
};

/**
 * Takes a lease and renews it until it is released, three times in its lifetime.
 * When the database cannot be reached, it counts as lost before the database could give it to someone else.
 * @returns null when someone else holds it.
 */
export async function holdLease(sql: Knex, request: LeaseRequest): Promise<HeldLease | null> {
  let renewedAt = performance.now();
  const lease = await takeLease(sql, request);
  if (lease === null) return null;
  const lost = new AbortController();
  const stop = new AbortController();
  const { ttlMs } = request;
  const lose = (): void =>
    lost.abort(new AppError("lease.lost", { details: { lease: lease.name, epoch: lease.epoch } }));
  const renewing = (async () => {
    while (!stop.signal.aborted && !lost.signal.aborted) {
      // Rejects only when stopped, and then the loop ends.
      await sleep(ttlMs / 3, undefined, { signal: stop.signal, ref: false }).catch(() => {});
      if (stop.signal.aborted) return;
      const askedAt = performance.now();
      const alarm = setTimeout(lose, Math.max(0, renewedAt + ttlMs - askedAt));
      // A database that cannot be asked now may answer before the time is up.
      const renewed = await renewLease(sql, lease, ttlMs).catch(() => null);
      clearTimeout(alarm);
      if (renewed === true) renewedAt = askedAt;
      else if (renewed === false || performance.now() > renewedAt + ttlMs) lose();
    }
  })();
  return {
    lease,
    signal: lost.signal,
    release: async () => {
      stop.abort();
      await renewing;
      await releaseLease(sql, lease);
    },
  };
}
