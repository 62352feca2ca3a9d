// Errors about pulling from OneRoster APIs. None of them ever deletes anybody: no pull, no delivery.

import type { ErrorEntry } from "./entry.ts";

/** Codes of this area, sorted. */
export const apisErrors = {
  "api.answer": {
    message: "reading an answer of the source's API",
    status: 502,
    retryable: true,
    remedy:
      "The pull is tried again by itself. If it stays so, send the line with the address and the reason to the vendor of the source.",
  },
  "api.credentials-missing": {
    message: "signing in at the source",
    status: 409,
    retryable: false,
    remedy: "Enter what the district sent with `rollcall source credentials`.",
  },
  "api.expired": {
    message: "signing in with credentials that have expired",
    status: 409,
    retryable: false,
    remedy: "Ask the district to renew the connection, then enter the new day with `rollcall source renew`.",
  },
  "api.forbidden": {
    message: "reading from the source what it does not let us read",
    status: 502,
    retryable: true,
    remedy: "Ask the district to share what is named: for rostering the permission must cover the whole roster.",
  },
  "api.incomplete": {
    message: "reading a collection that was not seen whole",
    status: 502,
    retryable: true,
    remedy: "Nothing was delivered and nothing is deleted. The pull is tried again by itself.",
  },
  "api.redirected": {
    message: "following the source to another address",
    status: 502,
    retryable: false,
    remedy: "Credentials go to no other host: ask the district for the present base URL and set it.",
  },
  "api.secret-key": {
    message: "opening the key that encrypts credentials",
    status: 500,
    retryable: false,
    remedy:
      "Set ROLLCALL_SECRET_KEY to the key that encrypted them, the same for all services and commands; the first time, to 32 bytes in base64 (`openssl rand -base64 32`). If the key is lost, enter the credentials again.",
  },
  "api.share": {
    message: "finding the district among those that share with us",
    status: 409,
    retryable: true,
    remedy: "Ask the district to enable our application in its console, with full permission.",
  },
  "api.unauthorised": {
    message: "signing in at the source",
    status: 502,
    retryable: true,
    remedy:
      "The source refuses the credentials: look whether id and secret are in each other's place, ask the district whether they were changed, and enter them again.",
  },
  "api.unreachable": {
    message: "reaching the source",
    status: 503,
    retryable: true,
    remedy: "The pull is tried again by itself. If it stays so, check the base URL, and ask whether the source is up.",
  },
} as const satisfies Readonly<Record<string, ErrorEntry>>;
