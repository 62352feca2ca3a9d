// A source's OneRoster API as those see it who read from it: signed, paced and patient requests.
// client.ts makes one; pager.ts and the probe read by it.

/** An answer of the source with status 200 or 404, whole: decompressed, and as text. */
export type ApiAnswer = {
  /** Where it came from, redirects followed. */
  readonly url: URL;
  readonly status: 200 | 404;
  /** Lower-case names. */
  readonly headers: ReadonlyMap<string, string>;
  readonly text: string;
};

export interface OneRosterApi {
  /** Of the service that rostering comes from, without a slash at its end. */
  readonly baseUrl: string;
  /**
   * Reads one address of the source. Waits its turn, renews the token once when it is refused, and tries again, each time
   * signed afresh, what may pass: 429 as long as `Retry-After` says, 5xx, resets, silence, an answer cut short.
   * @param url must be on the source's own host.
   * @throws AppError `api.unauthorised` for 401; `api.forbidden` for 403; `api.unreachable` when no answer came for as long
   * as patience lasts; `api.answer` for any other status, or a body that is no text; `api.redirected` for another host.
   */
  get(url: URL): Promise<ApiAnswer>;
  /** Scopes of the token that was used last, sorted; null where the source does not say. */
  grantedScopes(): readonly string[] | null;
  /** How many requests were sent, tries included. */
  requests(): number;
  /** Ends connections; what is under way is aborted. */
  close(): Promise<void>;
}

/** How long to keep trying. Milliseconds. */
export type Patience = {
  /** Tries of one request, the first included. */
  readonly tries: number;
  /** The first pause between tries; each is twice as long as the one before, with jitter. */
  readonly firstPauseMs: number;
  readonly longestPauseMs: number;
  /** The longest `Retry-After` that is waited for. */
  readonly retryAfterMs: number;
  /** Without a byte for so long, a request is given up. */
  readonly silenceMs: number;
  /** So long a request may take in all. */
  readonly requestMs: number;
};

export const defaultPatience: Patience = {
  tries: 6,
  firstPauseMs: 1_000,
  longestPauseMs: 60_000,
  retryAfterMs: 600_000,
  silenceMs: 90_000,
  requestMs: 900_000,
};
