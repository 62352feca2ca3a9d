// One pull: signs in, spools every collection, says what may be the cause of less, and hands all of it over as one delivery.
// It keeps true that a source is pulled by one process at a time; that what was not seen whole, or was stopped, delivers
// nothing; and that nothing is delivered of a source that was disabled, deleted, set otherwise or lost its credentials
// meanwhile.
//
//   due ──lease──▶ running ──whole──▶ delivered | same, ready
//                     ├──fails──▶ incomplete | failed, and a state that says why
//                     └──stopped, or its process died──▶ failed, begun again

import { randomUUID } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";

import type { Knex } from "knex";

import type { OneRosterApi } from "../../libs/adapters/oneroster-api/api.ts";
import { connect } from "../../libs/adapters/oneroster-api/connect.ts";
import { pullCollections, type Pulled } from "../../libs/adapters/oneroster-api/pull.ts";
import { type Credentials, credentialNames, credentialsOf } from "../../libs/adapters/postgres/api-credentials.ts";
import { endPull, pullFolder, pullLease, startPull } from "../../libs/adapters/postgres/api-pulls.ts";
import { type ApiPlace, apiSourceOf } from "../../libs/adapters/postgres/api-sources.ts";
import { noteBegun, noteState, noteWhole } from "../../libs/adapters/postgres/api-states.ts";
import { checkLease, type HeldLease, holdLease } from "../../libs/adapters/postgres/leases.ts";
import { missingFields } from "../../libs/domain/api/credentials.ts";
import { expiryStep } from "../../libs/domain/api/expiry.ts";
import { atOnceAt } from "../../libs/domain/api/pace.ts";
import type { PullRecord } from "../../libs/domain/api/pulled.ts";
import { wantedCollections } from "../../libs/domain/api/wanted.ts";
import { localDate } from "../../libs/domain/dates.ts";
import type { Policy } from "../../libs/domain/policy.ts";
import { AppError, isAppError } from "../../libs/errors.ts";
import { type DeliveryRow, readDelivery } from "../../libs/ingest/deliver.ts";
import { lastPulled, receivePulled } from "../../libs/ingest/pulled-set.ts";
import { type ApiWork, factsOf, type Known, knownOf, proxyKeyFor, timeOf } from "./context.ts";
import { doubtsOf } from "./doubts.ts";
import { dueOf, timeOfDay } from "./due.ts";
import { noteFailure, noteStopped } from "./ended.ts";
import { failureOf } from "./failing.ts";
import { endDead } from "./spool.ts";
import { forgetRefused, tellOnce, tellRecovered } from "./told.ts";

const leaseMs = 15_000;

/** Pulls the source if it is still due once nobody else pulls it. @throws what is not about this source alone. */
export async function pullSource(work: ApiWork, place: ApiPlace, signal: AbortSignal): Promise<void> {
  const held = await holdLease(work.sql, { name: pullLease(place), holder: randomUUID(), ttlMs: leaseMs });
  if (held === null) return;
  try {
    await endDead(work, place);
    const known = await knownOf(work, place);
    if (known === null || signal.aborted || dueOf(factsOf(known), timeOf(work, known)) === null) return;
    await pullHeld(work, { ...known, held, signal, id: randomUUID() });
  } finally {
    await held.release();
  }
}

type Pulling = Known & {
  readonly policy: Policy;
  readonly id: string;
  readonly held: HeldLease;
  /** Of the process. */
  readonly signal: AbortSignal;
};

/** What was done so far, for the pull's row. */
type Progress = { api: OneRosterApi | null };

async function pullHeld(work: ApiWork, pulling: Pulling): Promise<void> {
  const { sql, clock, logger } = work;
  const { place, id } = pulling;
  const at = clock.now();
  await sql.transaction(async (trx) => {
    await startPull(trx, { id, ...place, at });
    await noteBegun(trx, place, at);
  });
  const row = await pullOrNote(work, pulling);
  if (row === "failed") return;
  logger.info({ ...place, pull: id, delivery: row?.id ?? null }, "pulled");
  await tellRecovered(work, place);
  if (row === null) await forgetRefused(work, place);
  else await read(work, pulling, row);
}

/** Pulls; a failure is noted. Its pages go either way: what was received has landed. */
async function pullOrNote(work: ApiWork, pulling: Pulling): Promise<DeliveryRow | null | "failed"> {
  const { held, signal } = pulling;
  const progress: Progress = { api: null };
  try {
    return await pullToEnd(work, pulling, progress);
  } catch (error) {
    const requests = progress.api?.requests() ?? 0;
    // Whoever takes the lease next ends it.
    if (held.signal.aborted || isAppError(error, "lease.lost")) return "failed";
    if (signal.aborted) await noteStopped(work, { ...pulling, requests });
    else await noteFailure(work, { ...pulling, requests, error: ofThisSource(error) });
    return "failed";
  } finally {
    await progress.api?.close();
    await rm(pullFolder(work.pullsFolder, pulling.id), { recursive: true, force: true });
  }
}

/** @throws AppError `database.unreachable`. */
function ofThisSource(thrown: unknown): AppError {
  const failure = failureOf(thrown);
  if (failure.code === "database.unreachable") throw failure;
  return failure;
}

/** @returns null when it is the same as the last one. */
async function pullToEnd(work: ApiWork, pulling: Pulling, progress: Progress): Promise<DeliveryRow | null> {
  const { place, source, profile, policy, held } = pulling;
  const { settings } = source;
  const signal = AbortSignal.any([pulling.signal, held.signal]);
  const entered = await enteredOf(work.sql, place);
  const credentials = await mayPull(work, pulling);
  const folder = pullFolder(work.pullsFolder, pulling.id);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const wanted = wantedCollections({ settings, profile, policy });
  const before = await lastPulled(work.sql, place);
  const patience = work.patience === undefined ? {} : { patience: work.patience };
  const atOnce = (): number => atOnceAt(profile, timeOfDay(timeOf(work, pulling)));
  const api = await connect({ settings, profile, credentials, wanted, atOnce, signal, ...patience });
  progress.api = api;
  const counts = before && Object.fromEntries(before.collections.map(({ name, items }) => [name, items]));
  const today = localDate(work.clock.now(), pulling.timeZone);
  const asked = { profile, settings, wanted, counts, folder, signal, today, ...patience };
  const pulled = await pullCollections(api, asked);
  const record = await recordOf(work, pulling, { api, pulled, before });
  return receivePulled(work, {
    ...place,
    files: pulled.collections.map(({ name, path }) => ({ collection: name, path })),
    pull: record,
    record: (trx, delivery) =>
      noteReceived(work, trx, { ...pulling, entered, pulled, delivery, requests: api.requests() }),
  });
}

async function recordOf(
  { sql, clock }: ApiWork,
  { place, source, timeZone }: Pulling,
  about: { readonly api: OneRosterApi; readonly pulled: Pulled; readonly before: PullRecord | null },
): Promise<PullRecord> {
  const { missing } = about.pulled;
  const { before } = about;
  // What the source does not say this time is as it was said last: silence must not hide a change.
  const seen = {
    ...about.pulled.seen,
    scopes: about.pulled.seen.scopes ?? before?.seen.scopes ?? null,
    revision: about.pulled.seen.revision ?? before?.seen.revision ?? null,
  };
  const collections = about.pulled.collections.map(({ name, items, metadata }) => ({ name, items, metadata }));
  const shown = { baseUrl: about.api.baseUrl, seen, missing, collections };
  const now = clock.now();
  const causes = await doubtsOf(sql, place, { before, shown, today: localDate(now, timeZone), now });
  return { version: source.settings.version, causes, ...shown };
}

/** @throws AppError `source.disabled`, `api.expired`, `api.credentials-missing`, `api.secret-key`. */
async function mayPull(work: ApiWork, { place, source, profile, timeZone }: Pulling): Promise<Credentials> {
  const { auth, expires } = source.settings;
  if (!source.isEnabled)
    throw new AppError("source.disabled", { message: `the source ${place.source} of ${place.district} is disabled` });
  if (expiryStep(expires, localDate(work.clock.now(), timeZone)) === 0)
    throw new AppError("api.expired", { message: `its credentials expired on ${expires}`, details: { expires } });
  if (auth === "proxy") return { secret: proxyKeyFor(work.proxy, source.settings) };
  const credentials = await credentialsOf(work.sql, work.secretKey, place);
  const missing = missingFields(profile, auth, Object.keys(credentials));
  if (missing.length > 0)
    throw new AppError("api.credentials-missing", {
      message: `credentials are missing: ${missing.map(({ label }) => label).join(", ")}`,
    });
  return credentials;
}

/** In the transaction in which it becomes a delivery, or is known to be the same as the last one. */
async function noteReceived(
  { clock }: ApiWork,
  trx: Knex.Transaction,
  about: Pulling & {
    readonly entered: string;
    readonly pulled: Pulled;
    readonly delivery: DeliveryRow | null;
    readonly requests: number;
  },
): Promise<void> {
  const { id, place, held, pulled, delivery, requests } = about;
  await checkLease(trx, held.lease);
  await mustBeAsBegun(trx, about);
  const state = delivery === null ? "same" : "delivered";
  const collections = pulled.collections.map(({ name, items, pages }) => ({ name, items, pages }));
  const ends = { id, state, collections, requests, delivery: delivery?.id ?? null, at: clock.now() } as const;
  // Others took it for dead.
  if (!(await endPull(trx, { ...ends, code: null, reason: null }))) throw new AppError("lease.lost");
  await noteState(trx, place, { state: "ready", reason: null, at: clock.now() });
  await noteWhole(trx, place);
}

/** Which credentials there are, and since when. */
async function enteredOf(sql: Knex, place: ApiPlace): Promise<string> {
  return JSON.stringify(await credentialNames(sql, place));
}

/**
 * Whoever disabled or deleted the source, or took its credentials away, wants nothing of it from then on. And whoever
 * entered others may have done so because those before were another district's.
 */
async function mustBeAsBegun(
  trx: Knex.Transaction,
  { place, source, entered }: Pulling & { readonly entered: string },
): Promise<void> {
  const { isEnabled, settings } = await apiSourceOf(trx, place.district, place.source);
  if (!isEnabled)
    throw new AppError("source.disabled", { message: `the source ${place.source} of ${place.district} was disabled` });
  if (settings.auth !== "proxy" && (await credentialNames(trx, place)).length === 0)
    throw new AppError("api.credentials-missing", { message: "its credentials were removed while it was pulled" });
  if ((await enteredOf(trx, place)) !== entered)
    throw new AppError("api.incomplete", { message: "its credentials were replaced while it was pulled" });
  const from = ({ schedule: _schedule, expires: _expires, ...rest }: typeof settings): string => JSON.stringify(rest);
  if (from(settings) !== from(source.settings))
    throw new AppError("api.incomplete", { message: "its settings were changed while it was pulled" });
}

/** Judges what was received. It cannot be lost any more: what fails here is tried again by whoever looks after such. */
async function read(work: ApiWork, { place, signal }: Pulling, row: DeliveryRow): Promise<void> {
  try {
    const { verdict } = await readDelivery(work, { id: row.id, signal });
    if (verdict.outcome === "accepted") return await forgetRefused(work, place);
    await tellOnce(work, place, {
      code: "pull.refused",
      severity: "error",
      message: `${row.id}: what was pulled was refused: ${verdict.refusal ?? ""}`,
      remedy: `\`rollcall source test ${place.district}\` says what the district has to change.`,
      since: work.clock.now(),
    });
  } catch (error) {
    if (signal.aborted) return;
    work.logger.warn({ ...place, delivery: row.id, err: ofThisSource(error) }, "delivery not read, it is read later");
  }
}
