// Districts that share with us through a partner's proxy: ClassLink lists them (oneroster.md section 9.1, C014).
// It keeps true that a list that cannot be read is a fault and never an empty list, and that ids are used as they come:
// they are percent-escaped already.

import { AppError } from "../../errors.ts";
import { defaultPatience, type Patience } from "./api.ts";
import { textOf } from "./body.ts";
import { apiError } from "./faults.ts";
import { isObject, toJson } from "./json.ts";
import { followed, patiently } from "./patience.ts";
import type { SignedRequest, Signer } from "./signer.ts";
import { type Reply, Transport } from "./transport.ts";

export type Share = {
  /** Percent-escaped already: a segment of the base URL as it stands. */
  readonly application: string;
  /** The vendor's other id of the application, or null. */
  readonly applicationId: string | null;
  /** The vendor's id of the district. */
  readonly tenant: string;
  /** The district's name. */
  readonly name: string;
  readonly isEnabled: boolean;
  /** Reads this district. */
  readonly bearer: string;
};

type Place = { readonly proxyUrl: string; readonly key: string };

/**
 * All districts that share, also those that disabled it.
 * @throws AppError `api.unauthorised` when the key is refused, `api.answer` for what is no list, and what reaching it throws.
 */
export async function listShares(
  about: Place & { readonly signal: AbortSignal; readonly patience?: Patience; readonly allowHttp?: boolean },
): Promise<readonly Share[]> {
  const transport = new Transport({
    patience: about.patience ?? defaultPatience,
    signal: about.signal,
    allowHttp: about.allowHttp ?? false,
  });
  try {
    return await readShares(transport, about);
  } finally {
    await transport.close();
  }
}

async function readShares(transport: Transport, { proxyUrl, key }: Place): Promise<readonly Share[]> {
  const url = new URL(`${proxyUrl.replace(/\/+$/u, "")}/applications`);
  const headers = { authorization: `Bearer ${key}` };
  const ask = (to: URL): Promise<Reply> => transport.exchange({ method: "GET", url: to, headers });
  const reply = await patiently(transport, { url, ask: () => followed(url, ask) });
  if (reply.status === 401 || reply.status === 403) {
    throw apiError("api.unauthorised", { url, reason: `it refuses the partner's key (${reply.status})` });
  }
  const answer = toJson(textOf(reply.body, reply.headers.get("content-type") ?? "") ?? "");
  const list = isObject(answer) ? Object.values(answer).find((value) => Array.isArray(value)) : answer;
  if (reply.status !== 200 || !Array.isArray(list)) {
    const reason = `it does not list the districts that share (${reply.status})`;
    throw apiError("api.answer", { url, reason, details: { status: reply.status } });
  }
  return list.flatMap((item) => shareOf(item) ?? []);
}

/** Letter case and underscores of the properties differ between the vendor's interfaces. null: nothing to read by. */
function shareOf(item: unknown): Share | null {
  if (!isObject(item)) return null;
  const fields = new Map(
    Object.entries(item).map(([name, value]) => [name.toLowerCase().replace(/[^a-z]/gu, ""), value]),
  );
  const text = (name: string): string => {
    const value: unknown = fields.get(name);
    return typeof value === "string" || typeof value === "number" || typeof value === "boolean"
      ? String(value).trim()
      : "";
  };
  const applicationId = text("applicationid");
  const application = text("onerosterapplicationid") || applicationId;
  if (application === "") return null;
  const status = text("tenantstatus").toLowerCase();
  return {
    application,
    applicationId: applicationId === "" ? null : applicationId,
    tenant: text("tenantid") || application,
    name: text("tenantname") || text("name"),
    isEnabled: text("enabled").toLowerCase() === "true" && (status === "" || status === "active"),
    bearer: text("bearer"),
  };
}

/** One district's share, and what signs its requests. When its bearer is refused, the shares are read again. */
export class ShareSigner implements Signer {
  readonly application: string;
  readonly #transport: Transport;
  readonly #place: SharePlace;
  #bearer: string;
  #reading: Promise<void> | null = null;

  /** @throws AppError `api.share` when the district has disabled it, or is not listed. */
  static async open(transport: Transport, place: SharePlace): Promise<ShareSigner> {
    return new ShareSigner(transport, place, await shareFor(transport, place));
  }

  private constructor(transport: Transport, place: SharePlace, share: Share) {
    this.#transport = transport;
    this.#place = place;
    this.application = share.application;
    this.#bearer = bearerOf(share, place);
  }

  sign(url: URL): Promise<SignedRequest> {
    return Promise.resolve({ url, authorization: `Bearer ${this.#bearer}` });
  }

  async refuse(authorization: string): Promise<void> {
    if (authorization !== `Bearer ${this.#bearer}`) return;
    this.#reading ??= this.#readAgain().finally(() => {
      this.#reading = null;
    });
    await this.#reading;
  }

  scopes(): null {
    return null;
  }

  async #readAgain(): Promise<void> {
    this.#bearer = bearerOf(await shareFor(this.#transport, this.#place), this.#place);
  }
}

type SharePlace = Place & {
  /** Any of the vendor's ids of the district or its application. */
  readonly tenant: string;
};

async function shareFor(transport: Transport, place: SharePlace): Promise<Share> {
  const shares = sharesOf(await readShares(transport, place), place.tenant);
  const enabled = shares.find(({ isEnabled }) => isEnabled);
  if (enabled !== undefined) return enabled;
  const { tenant } = place;
  const isGone = shares.length === 0;
  const what = isGone
    ? `${tenant} is not among the districts that share with us: it was never added, or it was removed`
    : `${tenant} has disabled our application in its console`;
  throw new AppError("api.share", {
    message: `finding the district's share: ${what}`,
    details: { tenant, share: isGone ? "gone" : "disabled", reason: what },
  });
}

/**
 * Those of the district. An id of an application may be the number of another district: so the ids of districts go first,
 * and whether a share is enabled never chooses between districts.
 * @throws AppError `api.share` when several districts are meant.
 */
function sharesOf(all: readonly Share[], wanted: string): readonly Share[] {
  const ids: readonly ((share: Share) => string | null)[] = [
    ({ tenant }) => tenant,
    ({ application }) => application,
    ({ applicationId }) => applicationId,
  ];
  const by = ids.map((idOf) => all.filter((share) => unescaped(idOf(share) ?? "") === unescaped(wanted)));
  const shares = by.find((found) => found.length > 0) ?? [];
  if (new Set(shares.map(({ tenant }) => tenant)).size <= 1) return shares;
  const reason = `${wanted} is the id of several districts: set the tenant's own id`;
  throw new AppError("api.share", { message: `finding the district's share: ${reason}`, details: { reason } });
}

/** To compare by alone: what is sent stays as it came. */
function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A share without a bearer of its own is read by the partner's key. */
function bearerOf({ bearer }: Share, { key }: SharePlace): string {
  return bearer === "" ? key : bearer;
}
