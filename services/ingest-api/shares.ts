// Districts that share with us through the vendor's proxy: a share that appeared, was disabled, vanished or came back.
// It keeps true that each of these is a state of which people are told once, and never a delivery: a share that is gone
// deletes nobody. (A051 to A056)

import { randomUUID } from "node:crypto";

import { listShares } from "../../libs/adapters/oneroster-api/shares.ts";
import { type ApiShare, noteShareTold, storeShares } from "../../libs/adapters/postgres/api-shares.ts";
import { noteState } from "../../libs/adapters/postgres/api-states.ts";
import { holdLease } from "../../libs/adapters/postgres/leases.ts";
import { AppError } from "../../libs/errors.ts";
import { appendNotice } from "../../libs/ingest/notice.ts";
import type { Transaction } from "../../libs/ports.ts";
import { type ApiWork, type Known, type ProxyAccess, textOf } from "./context.ts";
import { noteTold } from "./told.ts";

const leaseMs = 15_000;
const lease = "pull.shares";

/**
 * Asks the proxy once who shares, unless another process does, and tells what changed.
 * @throws AppError of the kinds `api.*` when the proxy did not say.
 */
export async function lookAtShares(
  work: ApiWork & { readonly proxy: ProxyAccess },
  all: readonly Known[],
  signal: AbortSignal,
): Promise<void> {
  const held = await holdLease(work.sql, { name: lease, holder: randomUUID(), ttlMs: leaseMs });
  if (held === null) return;
  try {
    const { url, key } = work.proxy;
    const patience = work.patience === undefined ? {} : { patience: work.patience };
    const listed = await listShares({
      proxyUrl: url,
      key,
      signal: AbortSignal.any([signal, held.signal]),
      ...patience,
    });
    const proxy = new URL(url).host;
    const at = work.clock.now();
    await work.log.transaction(async (tx) => {
      for (const share of await storeShares(tx.sql, { proxy, listed, at })) {
        await tellShare(work, tx, { share, readers: all.filter((known) => isReader(known, share)), at });
        await noteShareTold(tx.sql, share);
      }
    });
  } finally {
    await held.release();
  }
}

function isReader({ source: { settings, isEnabled } }: Known, share: ApiShare): boolean {
  const { auth, tenant } = settings;
  return isEnabled && auth === "proxy" && tenant !== null && [share.tenant, share.application].includes(tenant);
}

type Telling = { readonly share: ApiShare; readonly readers: readonly Known[]; readonly at: number };

async function tellShare(work: ApiWork, tx: Transaction, telling: Telling): Promise<void> {
  const { share, readers } = telling;
  if (readers.length === 0) return tellUnread(work, tx, share);
  for (const known of readers) {
    if (share.state !== "shared") await tellUnshared(work, tx, { ...telling, known });
    else if (known.state.state === "unshared") await tellReturned(work, tx, { ...telling, known });
  }
}

/** Only that it appeared is of interest: no source would miss it. It is no district of ours yet. */
async function tellUnread(work: ApiWork, tx: Transaction, { state, tenant, proxy, since }: ApiShare): Promise<void> {
  if (state !== "shared") return;
  appendNotice(tx, work, {
    district: "",
    code: "share.appeared",
    severity: "info",
    message: `${proxy}: tenant ${tenant} shares with us, and no source reads it`,
    remedy: "`rollcall source shares` names the district; add it, and a source with this tenant.",
    since,
  });
  await Promise.resolve();
}

type Reader = Telling & { readonly known: Known };

async function tellUnshared(work: ApiWork, tx: Transaction, { share, known, at }: Reader): Promise<void> {
  const { place } = known;
  const what = share.state === "gone" ? "its share has vanished from the proxy" : "its share was disabled";
  await noteState(tx.sql, place, { state: "unshared", reason: what, at });
  if (!(await noteTold(tx.sql, place, { code: "pull.unshared", as: "told" }))) return;
  const { remedy } = new AppError("api.share");
  const message = `${textOf(place)}: ${what}; nothing of it is deleted`;
  appendNotice(tx, work, {
    district: place.district,
    code: "pull.unshared",
    severity: "error",
    message,
    remedy,
    since: share.since,
  });
}

/** It is pulled again at once. */
async function tellReturned(work: ApiWork, tx: Transaction, { share, known, at }: Reader): Promise<void> {
  const { place } = known;
  const { district, source } = place;
  await tx
    .sql("api_states")
    .where({ district, source })
    .update({ retry_at: new Date(at) });
  appendNotice(tx, work, {
    district,
    code: "share.returned",
    severity: "info",
    message: `${textOf(place)}: it is shared again`,
    remedy: "Nothing has to be done: it is pulled again.",
    since: share.since,
  });
}
