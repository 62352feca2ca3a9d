// Faults of what a source lets us see: credentials that stop working, permissions that were narrowed, and years that end.

import { type Asked, failure, type Fault } from "./oneroster-fault.ts";
import type { Item } from "./oneroster-items.ts";

function refused(status: 401 | 403, when: (asked: Asked, target: string) => boolean): Fault["hooks"] {
  const word = status === 401 ? "unauthorisedrequest" : "forbidden";
  return (target) => ({
    instead: (asked) => (when(asked, target) ? failure(status, asked.version, word) : null),
  });
}

function idOf(value: unknown): unknown {
  return typeof value === "object" && value !== null && "sourcedId" in value ? value.sourcedId : null;
}

/** Without the last school, its classes and its enrollments. */
function withoutSchool(items: readonly Item[], { collection }: Asked, school: string): readonly Item[] {
  if (collection === "orgs") return items.filter(({ sourcedId }) => sourcedId !== school);
  return items.filter((item) => idOf(item["school"]) !== school);
}

const credentials: readonly Fault[] = [
  {
    name: "token-expires-mid-pull",
    does: "takes a token for four requests of a collection",
    expected: "whole",
    tokens: true,
    hooks: () => ({ revokes: ({ nth }) => nth % 5 === 0 }),
  },
  {
    name: "token-revoked-mid-pull",
    does: "forgets all tokens once",
    expected: "whole",
    tokens: true,
    hooks: (target) => ({ revokes: ({ collection, nth }) => collection === target && nth === 2 }),
  },
  {
    name: "token-never-good",
    does: "gives tokens and refuses them",
    expected: "incomplete",
    states: ["unauthorised"],
    tokens: true,
    hooks: () => ({ revokes: () => true }),
  },
  {
    name: "401-once",
    does: "refuses one request",
    expected: "either",
    states: ["unauthorised"],
    hooks: refused(401, ({ collection, nth }, target) => collection === target && nth === 2),
  },
  {
    name: "401-always",
    does: "refuses the credentials",
    expected: "incomplete",
    states: ["unauthorised"],
    hooks: refused(401, () => true),
  },
  {
    name: "403-one-collection",
    does: "does not let us read one collection",
    expected: "incomplete",
    states: ["forbidden"],
    hooks: refused(403, ({ collection }, target) => collection === target),
  },
  {
    name: "403-all",
    does: "lets us read nothing",
    expected: "incomplete",
    states: ["forbidden"],
    hooks: refused(403, () => true),
  },
];

const permissions: readonly Fault[] = [
  {
    name: "403-resources",
    does: "does not let us read resources any more",
    expected: "held",
    cause: "collection-forbidden",
    hooks: refused(403, ({ collection }) => collection === "resources"),
  },
  {
    name: "404-resources",
    does: "knows no resources any more",
    expected: "held",
    cause: "collection-forbidden",
    hooks: () => ({
      instead: ({ collection, version }) =>
        collection === "resources" ? failure(404, version, "unknown object") : null,
    }),
  },
  {
    name: "orgs-narrowed",
    does: "shows one school fewer, and nothing of it",
    expected: "held",
    cause: "orgs-narrowed",
    hooks: () => {
      let school = "";
      return {
        items: (items, asked) => {
          if (asked.collection === "orgs") school = String(items.at(-1)?.["sourcedId"]);
          return withoutSchool(items, asked, school);
        },
      };
    },
  },
  {
    name: "scope-narrowed",
    does: "gives fewer scopes than before",
    expected: "held",
    cause: "scope-narrowed",
    tokens: true,
    hooks: () => ({ scopes: (scopes) => scopes.filter((scope) => !scope.endsWith("/roster.readonly")) }),
  },
  {
    name: "permission-changed",
    does: "says that the permission is another one",
    expected: "held",
    cause: "permission-changed",
    hooks: () => ({
      answer: (answer) => ({ ...answer, headers: { ...answer.headers, "x-permission-revision": "2" } }),
    }),
  },
  {
    name: "school-year-ended",
    does: "shows sessions that are over, and half of the enrollments",
    expected: "held",
    cause: "school-year-ended",
    hooks: () => ({
      items: (items, { collection }) => {
        if (collection === "enrollments") return items.slice(0, items.length / 2);
        if (collection !== "academicSessions") return items;
        return items.map((item) => ({ ...item, startDate: "2001-08-18", endDate: "2002-06-06" }));
      },
    }),
  },
];

export const rightsFaults: readonly Fault[] = [...credentials, ...permissions];
