// Pieces of the JSON schemas by which requests are judged and the API is described.
// They keep true that a field that is not named is refused, and that no text holds what PostgreSQL or a log cannot:
// control characters and halves of characters.

import type { State } from "../../libs/domain/registration/reasons.ts";
import type { Role } from "./tokens.ts";

type Schema = Readonly<Record<string, unknown>>;

const whole = String.raw`^[^\u0000-\u001F\u007F\uD800-\uDFFF]*$`;

/** A text of one to so many characters. */
export function text(description: string, maxLength = 255): Schema {
  return { type: "string", minLength: 1, maxLength, pattern: whole, description };
}

const notWriter = String.raw`^(?!writer$)[^\u0000-\u001F\u007F\uD800-\uDFFF]*$`;

/** The id of a record on a topic of its own kind: `["writer"]` is the key of the log's own records there. */
export function recordId(description: string): Schema {
  return { ...text(description), pattern: notWriter };
}

/** A text, null, or nothing: what is blank says nothing either. */
export function claim(description: string): Schema {
  return { type: ["string", "null"], maxLength: 320, pattern: whole, description };
}

const uuidPattern = "^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$";

export const uuid: Schema = {
  type: "string",
  pattern: uuidPattern,
  description: "Id of a login.",
};

export const district: Schema = {
  type: "string",
  pattern: "^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$",
  description: "Id of a district.",
};

/** What a text is that does not match a pattern, in words; null for a pattern that is not of these pieces. */
export function patternFault(pattern: unknown): string | null {
  switch (pattern) {
    case uuidPattern:
      return "must be the id of a login: a UUID as `rollcall login` prints it";
    case district["pattern"]:
      return "must be the id of a district";
    case whole:
      return "may not hold control characters or halves of characters";
    case notWriter:
      return "may not be `writer`, nor hold control characters or halves of characters";
    case waitQuery["pattern"]:
      return "must be a whole number of milliseconds";
    default:
      return null;
  }
}

/** An object that holds these properties and no others. */
export function object(properties: Readonly<Record<string, Schema>>, required: readonly string[] = []): Schema {
  return { type: "object", additionalProperties: false, properties, required: [...required] };
}

/** An object of an answer: clients must expect new properties, and that the sometimes ones are not there. */
export function answer(
  properties: Readonly<Record<string, Schema>>,
  sometimes: Readonly<Record<string, Schema>> = {},
): Schema {
  return { type: "object", properties: { ...properties, ...sometimes }, required: Object.keys(properties) };
}

export function list(items: Schema, about: Schema = {}): Schema {
  return { type: "array", items, ...about };
}

export const longestWaitMs = 20_000;
export const defaultWaitMs = 5000;

/** How long to wait until a change was looked at, in the query. */
export const waitQuery: Schema = {
  type: "string",
  pattern: "^[0-9]{1,5}$",
  description:
    `Milliseconds to wait until the change was looked at, at most ${longestWaitMs}; ${defaultWaitMs} unless given. ` +
    "What is answered after that time is not lost.",
};

export const loginStates = [
  "unlinked",
  "waiting",
  "review",
  "choose-school",
  "inactive",
  "active",
] as const satisfies readonly State[];

const errorAnswer = answer({
  error: answer({ code: { type: "string" }, message: { type: "string" }, remedy: { type: "string" } }),
});

const answerWords: Readonly<Record<number, string>> = {
  200: "As it is now.",
  202: "Appended, and not lost. What is answered is how it stands when it was looked at, or when the wait was over.",
};

const errorWords: Readonly<Record<number, string>> = {
  400: "The request is not as described here.",
  401: "No token, or none that is valid.",
  403: "The token may not do this.",
  404: "There is no such thing, or it is not for this token to know.",
  409: "What is there stands against it.",
  422: "The request is well formed and cannot be done as it is.",
  503: "The database does not answer.",
};

/** The whole schema of a route: what it takes, what it answers, and who may use it (an operator always may). */
export function route(about: {
  readonly summary: string;
  readonly roles?: readonly Role[];
  readonly params?: Schema;
  readonly querystring?: Schema;
  readonly body?: Schema;
  readonly status: number;
  readonly answers: Schema;
  readonly errors?: readonly (keyof typeof errorWords)[];
}): Schema {
  const { summary, roles, params, querystring, body, status, answers, errors = [] } = about;
  const closed = roles === undefined ? [] : [401, 403];
  const failures = [...new Set([400, ...closed, ...errors, 503])].map((code) => [
    code,
    { description: errorWords[code] ?? "", ...errorAnswer },
  ]);
  return {
    summary,
    ...(roles === undefined
      ? { security: [] }
      : { description: `Roles: ${[...roles, "operator"].join(", ")}.`, security: [{ token: [] }] }),
    ...(params === undefined ? {} : { params }),
    ...(querystring === undefined ? {} : { querystring }),
    ...(body === undefined ? {} : { body }),
    response: { [status]: { description: answerWords[status] ?? "", ...answers }, ...Object.fromEntries(failures) },
  };
}
