// What can go wrong on the way to a source, in plain words.
// It keeps true that no secret is in an error: of an address only host, path and place in the collection are told, and of
// an answer that is refused only words of OneRoster itself.

import { AppError, type ErrorCode, type ErrorDetails } from "../../errors.ts";

/**
 * One try came to nothing. `passing` may be gone at the next try; `absent` says that nobody is there, which is worth
 * another try only where somebody was; `lasting` stays as it is until a person does something.
 */
export class TransportFault extends Error {
  override readonly name = "TransportFault";
  readonly kind: "passing" | "absent" | "lasting";
  /** The system's code, for those who look it up. */
  readonly code: string;

  constructor(about: { readonly kind: TransportFault["kind"]; readonly code: string; readonly words: string }) {
    super(about.words);
    this.kind = about.kind;
    this.code = about.code;
  }
}

/** Codes of faults that lie in the answer rather than in the way to it. */
export const answerFaults = { tooLarge: "too-large", badEncoding: "bad-encoding" } as const;

export function isAnswerFault({ code }: TransportFault): boolean {
  return code === answerFaults.tooLarge || code === answerFaults.badEncoding;
}

type Words = readonly [kind: TransportFault["kind"], words: string];

const wordsOf: Readonly<Record<string, Words>> = {
  ENOTFOUND: ["absent", "no machine of that name is known (DNS): check the address for typing errors"],
  EAI_AGAIN: ["passing", "names could not be looked up (DNS did not answer)"],
  ECONNREFUSED: ["absent", "the machine refuses the connection: nothing listens there, or a firewall is in between"],
  ECONNRESET: ["passing", "the connection was broken off"],
  EPIPE: ["passing", "the connection was broken off"],
  ETIMEDOUT: ["passing", "the machine could not be reached in time"],
  EHOSTUNREACH: ["passing", "there is no way to the machine"],
  ENETUNREACH: ["passing", "there is no way to the machine's network"],
  CERT_HAS_EXPIRED: ["lasting", "its certificate has expired"],
  CERT_NOT_YET_VALID: ["lasting", "its certificate is not valid yet"],
  CERT_REVOKED: ["lasting", "its certificate was revoked"],
  DEPTH_ZERO_SELF_SIGNED_CERT: ["lasting", "its certificate is signed by itself, so nobody vouches for it"],
  SELF_SIGNED_CERT_IN_CHAIN: ["lasting", "its certificate comes from an authority that is not known here"],
  UNABLE_TO_GET_ISSUER_CERT: ["lasting", "its certificate comes from an authority that is not known here"],
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: ["lasting", "its certificate comes from an authority that is not known here"],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: [
    "lasting",
    "its certificate cannot be verified: the server leaves out the certificates between its own and the authority's",
  ],
  ERR_TLS_CERT_ALTNAME_INVALID: ["lasting", "its certificate is for another host"],
  EPROTO: ["lasting", "it speaks no TLS that is understood here: is it http, or older than TLS 1.2?"],
  ERR_INVALID_CHAR: ["lasting", "a credential holds a character that cannot be sent: enter it again"],
};

/** What the system threw, as a fault. Its own message is left out: it may quote bytes that were received. */
export function faultOf(thrown: unknown): TransportFault {
  if (thrown instanceof TransportFault) return thrown;
  const code = codeOf(thrown);
  const known = wordsOf[code];
  if (known !== undefined) return new TransportFault({ kind: known[0], code, words: known[1] });
  if (code.startsWith("HPE_")) return new TransportFault({ kind: "passing", code, words: "its answer is no HTTP" });
  if (code.startsWith("ERR_SSL_") || code.startsWith("ERR_TLS_")) {
    return new TransportFault({ kind: "lasting", code, words: "no TLS connection could be made" });
  }
  return new TransportFault({ kind: "passing", code, words: `the connection failed (${code})` });
}

function codeOf(thrown: unknown): string {
  const code: unknown = thrown instanceof Error ? Reflect.get(thrown, "code") : undefined;
  if (typeof code === "string") return code;
  return thrown instanceof AggregateError && thrown.errors.length > 0 ? codeOf(thrown.errors[0]) : "unknown";
}

/** Parameters of a query that are told: they say where in a collection it was. Others may be cursors or keys. */
const plainParameters = ["limit", "offset"];

/** An address as it may be told: without user, password and parameters. */
export function toldUrl(url: URL): string {
  const told = [...url.searchParams].filter(([name, value]) => plainParameters.includes(name) && /^\d+$/u.test(value));
  const query = told.map((pair) => pair.join("=")).join("&");
  return `${url.protocol}//${url.host}${url.pathname}${query === "" ? "" : `?${query}`}`;
}

/** An error about one address: the sentence names it, and the details hold what a program wants to know of it. */
export function apiError(
  code: ErrorCode,
  about: { readonly url: URL; readonly reason: string; readonly details?: ErrorDetails },
): AppError {
  const url = toldUrl(about.url);
  const message = `reading ${url}: ${about.reason}`;
  return new AppError(code, { message, details: { url, reason: about.reason, ...about.details } });
}

/** Words of the standard's errors (oneroster.md, sections 5.4 and 6.5), in all spellings. */
const minorCodes = [
  "deletefailure",
  "forbidden",
  "internal_server_error",
  "invalid data",
  "invalid_blank_selection_field",
  "invalid_data",
  "invalid_filter_field",
  "invalid_selection_field",
  "invalid_sort_field",
  "invaliddata",
  "linkfailure",
  "server_busy",
  "targetreadfailure",
  "unauthorised",
  "unauthorisedrequest",
  "unauthorized",
  "unauthorizedrequest",
  "unknown object",
  "unknownobject",
  "unsupportedoperation",
];

/** The first of the standard's words that stands as a whole text in the body of an error; null without one. */
export function minorCodeIn(body: string): string | null {
  const text = body.toLowerCase();
  return minorCodes.find((code) => text.includes(`"${code}"`)) ?? null;
}
