// Faults of what an answer says: its envelope, its items and its text.

import { envelopes } from "../../libs/domain/api/collections.ts";
import { type Asked, type Fault, failure } from "./oneroster-fault.ts";
import type { Item } from "./oneroster-items.ts";

type Body = Readonly<Record<string, unknown>>;

function itemsIn(body: unknown, { collection }: Asked): readonly Item[] {
  const found: unknown =
    typeof body === "object" && body !== null ? Object.entries(body).find(([key]) => key === collection)?.[1] : null;
  return Array.isArray(found) ? found : [];
}

/** Another form for the items of every collection. */
function everyItem(change: (item: Item, asked: Asked) => unknown): Fault["hooks"] {
  return () => ({
    shape: (body, asked) => ({ [asked.collection]: itemsIn(body, asked).map((item) => change(item, asked)) }),
  });
}

function everyBody(change: (items: readonly Item[], asked: Asked) => unknown): Fault["hooks"] {
  return () => ({ shape: (body, asked) => change(itemsIn(body, asked), asked) });
}

function targetBody(change: (items: readonly Item[], asked: Asked) => unknown): Fault["hooks"] {
  return (target) => ({
    shape: (body, asked) => (asked.collection === target ? change(itemsIn(body, asked), asked) : body),
  });
}

/** The same value with each object in it changed, the innermost first. */
function deep(value: unknown, change: (object: Body) => unknown): unknown {
  if (Array.isArray(value)) return value.map((each) => deep(each, change));
  if (typeof value !== "object" || value === null) return value;
  return change(Object.fromEntries(Object.entries(value).map(([name, each]) => [name, deep(each, change)])));
}

function isReference(object: Body): boolean {
  return "href" in object && "sourcedId" in object;
}

/** Properties that items have in some answers and not in others. */
const optional = [
  "parent",
  "identifier",
  "metadata",
  "email",
  "sms",
  "phone",
  "middleName",
  "classCode",
  "location",
  "agents",
  "children",
];
const singular: Readonly<Record<string, string>> = {
  academicSessions: "term",
  orgs: "org",
  users: "user",
  classes: "class",
};

const envelopesOfAnswers: readonly Fault[] = [
  {
    name: "missing-envelope",
    does: "answers {} for a collection that has records",
    expected: "incomplete",
    hooks: targetBody(() => ({})),
  },
  {
    name: "null-envelope",
    does: "answers null for the array",
    expected: "incomplete",
    hooks: targetBody((_, { collection }) => ({ [collection]: null })),
  },
  {
    name: "bare-array",
    does: "answers an array without an envelope",
    expected: "whole",
    hooks: everyBody((items) => items),
  },
  {
    name: "other-envelope",
    does: "names the array as the path of a view is named",
    expected: "whole",
    hooks: everyBody((items, { collection }) => ({ [envelopes[collection].at(-1) ?? collection]: items })),
  },
  {
    name: "unknown-envelope",
    does: "names the array as nobody else does",
    expected: "incomplete",
    hooks: targetBody((items) => ({ data: items })),
  },
  {
    name: "singular-envelope",
    does: "answers one record as an object under the singular name",
    expected: "whole",
    hooks: everyBody((items, { collection }) => {
      const name = singular[collection];
      return items.length === 1 && name !== undefined ? { [name]: items[0] } : { [collection]: items };
    }),
  },
  {
    name: "statusinfo-beside-data",
    does: "sends a warning beside the records",
    expected: "whole",
    hooks: everyBody((items, { collection }) => ({
      statusInfoSet: [{ imsx_codeMajor: "success", imsx_severity: "warning", imsx_codeMinor: "invalid_sort_field" }],
      [collection]: items,
      warnings: [],
    })),
  },
  {
    name: "error-with-200",
    does: "answers an error of OneRoster with status 200",
    expected: "incomplete",
    hooks: targetBody((_, { version }) => JSON.parse(failure(500, version, "internal_server_error").body.toString())),
  },
];

const items: readonly Fault[] = [
  {
    name: "nulls",
    does: "sends null or nothing between quotes for what is absent",
    expected: "whole",
    hooks: everyItem((item) => ({
      ...Object.fromEntries(optional.map((name, index) => [name, index % 2 === 1 && index > 3 ? "" : null])),
      ...item,
    })),
  },
  {
    name: "text-booleans",
    does: "sends booleans as texts",
    expected: "whole",
    hooks: everyItem((item) =>
      Object.fromEntries(
        Object.entries(item).map(([name, value]) => [name, typeof value === "boolean" ? String(value) : value]),
      ),
    ),
  },
  {
    name: "json-booleans",
    does: "sends booleans as JSON has them",
    expected: "whole",
    hooks: everyItem((item) =>
      Object.fromEntries(
        Object.entries(item).map(([name, value]) => [
          name,
          value === "true" ? true : value === "false" ? false : value,
        ]),
      ),
    ),
  },
  {
    name: "number-ids",
    does: "sends ids that are digits as numbers, beyond what a double holds",
    expected: "whole",
    hooks: () => ({
      text: (text) => text.replaceAll(/"(sourcedId|schoolYear|identifier)":"([1-9]\d{0,20})"/gu, '"$1":$2'),
    }),
  },
  {
    name: "relative-hrefs",
    does: "sends hrefs that begin with ~",
    expected: "whole",
    hooks: () => ({ text: (text) => text.replaceAll("https://sis.example/", "~/") }),
  },
  {
    name: "bare-references",
    does: "sends references that have nothing but the sourcedId",
    expected: "whole",
    hooks: everyItem((item) =>
      deep(item, (object) => (isReference(object) ? { sourcedId: object["sourcedId"] } : object)),
    ),
  },
  {
    name: "text-references",
    does: "sends references as texts",
    expected: "whole",
    hooks: everyItem((item) => deep(item, (object) => (isReference(object) ? object["sourcedId"] : object))),
  },
  {
    name: "wrong-sourcedid-case",
    does: "names the id SourcedId",
    expected: "whole",
    hooks: everyItem(({ sourcedId, ...rest }) => ({ SourcedId: sourcedId, ...rest })),
  },
  {
    name: "no-status",
    does: "leaves status and dateLastModified out",
    expected: "whole",
    hooks: everyItem((item) =>
      Object.fromEntries(Object.entries(item).filter(([name]) => !["status", "dateLastModified"].includes(name))),
    ),
  },
  {
    name: "extra-properties",
    does: "sends properties and metadata that the standard does not have",
    expected: "whole",
    hooks: everyItem((item) => ({
      ...item,
      vendorNote: { a: [1, null] },
      children: [],
      metadata: { "x.y": 1, nested: { z: [true] } },
    })),
  },
  {
    name: "date-times",
    does: "sends dates with a time",
    expected: "whole",
    hooks: everyItem((item) =>
      Object.fromEntries(
        Object.entries(item).map(([name, value]) => [
          name,
          name.endsWith("Date") ? `${String(value)}T00:00:00.0000000+00:00` : value,
        ]),
      ),
    ),
  },
  {
    name: "tobedeleted-rows",
    does: "sends records of people who are long gone",
    expected: "whole",
    hooks: (target) => ({
      items: (all, { collection }) =>
        collection === target
          ? [
              ...all,
              ...all.slice(0, 3).map((item, index) => ({ ...item, sourcedId: `gone-${index}`, status: "tobedeleted" })),
            ]
          : all,
    }),
  },
  {
    name: "null-items",
    does: "sends null instead of a record",
    expected: "held",
    hooks: targetBody((all, { collection }) => ({
      [collection]: all.map((item, index) => (index === 3 ? null : item)),
    })),
  },
  {
    name: "items-without-id",
    does: "sends a record without an id",
    expected: "held",
    hooks: targetBody((all, { collection }) => ({
      [collection]: all.map((item, index) => (index === 3 ? { ...item, sourcedId: null } : item)),
    })),
  },
];

const texts: readonly Fault[] = [
  {
    name: "truncated-json",
    does: "ends in the middle of the JSON",
    expected: "incomplete",
    hooks: (target) => ({
      text: (text, { collection, offset }) =>
        collection === target && offset > 0 ? text.slice(0, text.length - 60) : text,
    }),
  },
  {
    name: "truncated-json-once",
    does: "ends in the middle of the JSON, once",
    expected: "whole",
    hooks: (target) => ({
      text: (text, { collection, nth }) => (collection === target && nth === 2 ? text.slice(0, text.length / 2) : text),
    }),
  },
  {
    name: "bom",
    does: "begins with a byte order mark",
    expected: "whole",
    hooks: () => ({ text: (text) => `\uFEFF${text}` }),
  },
  {
    name: "pretty",
    does: "writes JSON with line breaks and blanks",
    expected: "whole",
    hooks: () => ({ text: (text) => JSON.stringify(JSON.parse(text), null, 2).replaceAll("\n", "\r\n") }),
  },
  {
    name: "latin1",
    does: "writes in Latin-1 and says so",
    expected: "whole",
    hooks: () => ({
      answer: (answer) => ({
        ...answer,
        headers: { ...answer.headers, "content-type": "application/json; charset=ISO-8859-1" },
        body: Buffer.from(asLatin1(answer.body.toString()), "latin1"),
      }),
    }),
  },
  {
    name: "latin1-as-utf8",
    does: "writes in Latin-1 and says that it is UTF-8",
    expected: "incomplete",
    hooks: () => ({
      answer: (answer) => ({ ...answer, body: Buffer.from(asLatin1(answer.body.toString()), "latin1") }),
    }),
  },
];

/** What Latin-1 does not have is escaped as JSON allows. */
function asLatin1(text: string): string {
  return text.replaceAll(/[\u0100-\u{10FFFF}]/gu, (character) =>
    [...Array(character.length).keys()]
      .map((at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`)
      .join(""),
  );
}

export const bodyFaults: readonly Fault[] = [...envelopesOfAnswers, ...items, ...texts];
