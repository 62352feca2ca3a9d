// Errors about people and what they may use: logins, persons, accounts, licenses, tokens.

import type { ErrorEntry } from "./entry.ts";

/** Codes of this area, sorted. */
export const peopleErrors = {
  "account.linked": {
    message: "linking an account that is linked to another login",
    status: 409,
    retryable: false,
    remedy:
      "Nothing was changed. If the link that stands is wrong, take it away with `rollcall account unlink`, then prove the right one.",
  },
  "account.product": {
    message: "changing the product of an account",
    status: 409,
    retryable: false,
    remedy: "An account is of one product for ever: make another account for the other product.",
  },
  "account.unknown": {
    message: "looking up the account",
    status: 404,
    retryable: false,
    remedy: "Check the id, or make the account with `rollcall account create`.",
  },
  "fact.unappliable": {
    message: "taking in a login, a license or an account that holds a value the tables do not take",
    status: 500,
    retryable: false,
    remedy: "Have its sender correct the value, such as a day that is none or a character U+0000, and send it again.",
  },
  "license.org": {
    message: "checking the organisations of a license",
    status: 422,
    retryable: false,
    remedy:
      "Name each by its whole NCES id, as text: 7 digits for a district, 12 for a school, leading zeros included.",
  },
  "license.unknown": {
    message: "looking up the license",
    status: 404,
    retryable: false,
    remedy: "List the licenses with `rollcall license list`.",
  },
  "license.validity": {
    message: "checking the days of a license",
    status: 422,
    retryable: false,
    remedy: "Write days as YYYY-MM-DD, and let the first lie before the day on which the license ends.",
  },
  "login.district-unclear": {
    message: "finding the district of the login",
    status: 422,
    retryable: false,
    remedy: "Several districts have this issuer: name the one that the sign-on verified in the field `district`.",
  },
  "login.issuer-unknown": {
    message: "finding the district of the login",
    status: 422,
    retryable: false,
    remedy:
      "Check the issuer: it must be one of signOn.issuers of the district that is meant, and the token must be for that district.",
  },
  "login.misfiled": {
    message: "reading a login whose key names another district than its record",
    status: 422,
    retryable: false,
    remedy: "Have the sign-on gateway key each event by the district of the verified login, then resume the work.",
  },
  "login.pending": {
    message: "changing a login that was not looked at yet",
    status: 409,
    retryable: true,
    remedy: "Try again in a moment. If it stays, look at GET /health.",
  },
  "login.school": {
    message: "checking the school that was chosen",
    status: 422,
    retryable: false,
    remedy: "Choose one of the district's schools, by its NCES id of 12 digits, as text: leading zeros count.",
  },
  "login.unlinked": {
    message: "taking a link away that a login does not have",
    status: 409,
    retryable: false,
    remedy: "Nothing: the login belongs to nobody. Say whom it belongs to with `rollcall login link`.",
  },
  "login.unknown": {
    message: "looking up the login",
    status: 404,
    retryable: false,
    remedy: "Check the id: it is the one that POST /logins and `rollcall login` answer.",
  },
  "login.user-unknown": {
    message: "looking up the users of a login",
    status: 422,
    retryable: false,
    remedy: "Name users by their sourcedIds as the district's roster has them now.",
  },
  "person.unknown": {
    message: "looking up the person",
    status: 404,
    retryable: false,
    remedy:
      "Give the sourcedId of a user as the district delivers it, a person id, or the id that `rollcall login` printed.",
  },
  "token.exists": {
    message: "making a token",
    status: 409,
    retryable: false,
    remedy: "Choose another name: a name is used once, also after it was revoked.",
  },
  "token.forbidden": {
    message: "checking what the token may do",
    status: 403,
    retryable: false,
    remedy: "Use a token with the role and the districts that this needs; `rollcall token create` makes one.",
  },
  "token.invalid": {
    message: "checking the token",
    status: 401,
    retryable: false,
    remedy: "Send `Authorization: Bearer <token>` with a token that was made here and is not revoked.",
  },
  "token.unknown": {
    message: "looking up the token",
    status: 404,
    retryable: false,
    remedy: "List the tokens with `rollcall token list`.",
  },
} as const satisfies Readonly<Record<string, ErrorEntry>>;
