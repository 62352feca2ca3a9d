// Pieces of the JSON schemas by which requests are judged and the API is described.
// They keep true that a field that is not named is refused, and that no text holds what PostgreSQL or a log cannot:
// control characters and halves of characters.

import type { Role } from "./tokens.ts";

type Schema = Readonly<Record<string, unknown>>;

const whole = String.raw`^[^\u0000-\u001F\u007F\uD800-\uDFFF]*$`;

/** A text of one to so many characters. */
export function text(description: string, maxLength = 255): Schema {
  return { type: "string", minLength: 1, maxLength, pattern: whole, description };
}

/** A text, null, or nothing: what is blank says nothing either. */
export function claim(description: string): Schema {
  return { type: ["string", "null"], maxLength: 320, pattern: whole, description };
}

export const uuid: Schema = {
  type: "string",
  pattern: "^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
  description: "Id of a login.",
};

export const district: Schema = {
  type: "string",
  pattern: "^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$",
  description: "Id of a district.",
};

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

/** How long to wait until a change was looked at, in the query. */
export function waitQuery(fallbackMs: number): Schema {
  return {
    type: "string",
    pattern: "^[0-9]{1,5}$",
    description: `Milliseconds to wait until the change was looked at, at most ${longestWaitMs}; ${fallbackMs} unless given.`,
  };
}

const errorAnswer = answer({
  error: answer({ code: { type: "string" }, message: { type: "string" }, remedy: { type: "string" } }),
});

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
    response: { [status]: answers, ...Object.fromEntries(failures) },
  };
}
