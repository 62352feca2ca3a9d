// Asking again what may pass, and following a source within its own host.
// It keeps true that each try and each redirect is a request of its own, made afresh by who asks; that pauses have full
// jitter, so that many districts do not come back at once; and that nobody is sent to another host.

import { apiError, isAnswerFault, TransportFault } from "./faults.ts";
import type { Reply, Transport } from "./transport.ts";

const passingStatuses = [408, 425, 429];

/**
 * Asks until there is an answer that will not be another one at the next try, whatever its status.
 * @throws AppError `api.unreachable` when patience has an end, or at once for a fault that lasts; `api.answer` for a body
 * that cannot be taken; whatever else `ask` throws.
 */
export async function patiently(
  transport: Transport,
  about: { readonly url: URL; readonly ask: () => Promise<Reply> },
): Promise<Reply> {
  const { patience } = transport;
  for (let tries = 1; ; tries += 1) {
    const outcome = await outcomeOf(about.ask);
    if (!(outcome instanceof TransportFault) && !isPassing(outcome.status)) return outcome;
    const restMs = outcome instanceof TransportFault ? 0 : restAskedFor(outcome);
    const isOver = outcome instanceof TransportFault && outcome.kind !== "passing";
    if (isOver || tries >= patience.tries || restMs > patience.retryAfterMs)
      throw givenUp(about.url, { outcome, tries, restMs });
    const longest = Math.min(patience.longestPauseMs, patience.firstPauseMs * 2 ** (tries - 1));
    await transport.pause(Math.max(restMs, Math.random() * longest));
  }
}

async function outcomeOf(ask: () => Promise<Reply>): Promise<Reply | TransportFault> {
  try {
    return await ask();
  } catch (thrown) {
    if (thrown instanceof TransportFault) return thrown;
    throw thrown;
  }
}

/** 501 says that the source cannot do it at all. */
function isPassing(status: number): boolean {
  return passingStatuses.includes(status) || (status >= 500 && status !== 501);
}

/**
 * How long the source asks to be left alone, by an answer that may pass. Retry-After may be in seconds, or a date by the
 * source's own clock. Milliseconds; 0 without a readable one.
 */
export function restAskedFor({ status, headers }: Reply): number {
  if (!isPassing(status)) return 0;
  const text = headers.get("retry-after")?.trim() ?? "";
  if (/^\d+(?:\.\d+)?$/u.test(text)) return Number(text) * 1000;
  const now = Date.parse(headers.get("date") ?? "");
  const restMs = Date.parse(text) - (Number.isNaN(now) ? Date.now() : now);
  return restMs > 0 ? restMs : 0;
}

function givenUp(
  url: URL,
  last: { readonly outcome: Reply | TransportFault; readonly tries: number; readonly restMs: number },
): Error {
  const { outcome, tries, restMs } = last;
  const times = tries === 1 ? "" : `, tried ${tries} times`;
  if (outcome instanceof TransportFault) {
    const details = { fault: outcome.code, tries };
    return apiError(isAnswerFault(outcome) ? "api.answer" : "api.unreachable", {
      url,
      reason: `${outcome.message}${times}`,
      details,
    });
  }
  const rest = restMs === 0 ? "" : ` and asks to be left alone for ${Math.ceil(restMs / 1000)} s`;
  const details = { status: outcome.status, tries };
  return apiError("api.unreachable", { url, reason: `it answers ${outcome.status}${rest}${times}`, details });
}

const redirects = [301, 302, 303, 307, 308];
const mostHops = 5;

/**
 * Asks an address, and those to which it is redirected on the same host.
 * @throws AppError `api.redirected` when that is another host, or back to http, or goes on for more than five hops.
 */
export async function followed(from: URL, ask: (url: URL) => Promise<Reply>): Promise<Reply> {
  let url = from;
  for (let hops = 0; ; hops += 1) {
    const reply = await ask(url);
    const location = reply.headers.get("location");
    const next = location === undefined ? null : URL.parse(location, url.href);
    if (!redirects.includes(reply.status) || next === null) return reply;
    const host = `${next.protocol}//${next.host}`;
    if (hops === mostHops) throw redirected(from, { host, reason: `it redirects more than ${mostHops} times` });
    if (!isOwn(url, next)) throw redirected(from, { host, reason: `it redirects to ${host}` });
    url = next;
  }
}

function redirected(url: URL, about: { readonly host: string; readonly reason: string }): Error {
  return apiError("api.redirected", { url, reason: about.reason, details: { host: about.host } });
}

/** Whether what may go to the first may go to the second: the same origin, or the same host by https rather than http. */
export function isOwn(own: URL, other: URL): boolean {
  if (own.origin === other.origin) return true;
  return own.hostname === other.hostname && own.protocol === "http:" && other.protocol === "https:";
}
