// What a fault of the test's OneRoster server can do: it takes part in the making of an answer at one or more points, each
// a function of what was asked. Faults are put together by running one after the other at each point.

import type { Collection } from "../../libs/domain/api/collections.ts";
import type { Cause } from "../../libs/domain/api/pulled.ts";
import type { Version } from "../../libs/domain/oneroster/enumerations.ts";
import type { Item } from "./oneroster-items.ts";

export type Asked = {
  readonly collection: Collection;
  readonly version: Version;
  readonly offset: number;
  readonly limit: number;
  /** Of this collection, since the faults were set: the first is 1. */
  readonly nth: number;
  /** As the source was addressed, with the query. */
  readonly url: URL;
  /** Another server, to which nothing may be sent. */
  readonly stranger: string;
};

export type Page = {
  readonly items: readonly Item[];
  /** X-Total-Count. */
  readonly total: string | null;
  /** The Link header. */
  readonly link: string | null;
};

export type Answer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** `reset`: half of the body, then the connection is cut; `stall`: half, then nothing; `drip`: in many small parts. */
  readonly end?: "reset" | "stall" | "drip";
};

export type Hooks = {
  /** Answers in the source's stead, before credentials are looked at. */
  readonly instead?: (asked: Asked) => Answer | null;
  /** What the source holds at this moment. */
  readonly items?: (items: readonly Item[], asked: Asked) => readonly Item[];
  /** Where a page begins and how long it is. */
  readonly window?: (asked: Asked) => { readonly offset: number; readonly limit: number };
  readonly page?: (page: Page, asked: Asked, all: readonly Item[]) => Page;
  /** The body before it becomes text. */
  readonly shape?: (body: unknown, asked: Asked) => unknown;
  readonly text?: (text: string, asked: Asked) => string;
  readonly answer?: (answer: Answer, asked: Asked) => Answer;
  /** Whether all tokens are forgotten before the request's is looked at. */
  readonly revokes?: (asked: Asked) => boolean;
  /** Scopes that the source gives. */
  readonly scopes?: (scopes: readonly string[]) => readonly string[];
};

/** What a pull under the fault has to be. `held`: delivered, and deletes wait for a person. */
export type Expected = "whole" | "incomplete" | "either" | "held";

export type Fault = {
  readonly name: string;
  readonly does: string;
  readonly expected: Expected;
  /** States of the source that say why there was no delivery; without it `incomplete`. */
  readonly states?: readonly string[];
  /** The cause that the delivery has to name. */
  readonly cause?: Cause;
  /** Only a source with tokens of OAuth 2 can have it. */
  readonly tokens?: true;
  /** Whether it can be seen only by X-Total-Count: no fault that spoils it may be beside it. */
  readonly needsTotal?: true;
  readonly spoilsTotal?: true;
  /** Fresh hooks: what they remember is of one pull. @param target the collection that suffers, where it is one alone. */
  readonly hooks: (target: Collection) => Hooks;
};

/** JSON as a source sends it. */
export function json(status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): Answer {
  return {
    status,
    headers: { "content-type": "application/json;charset=UTF-8", ...headers },
    body: Buffer.from(JSON.stringify(value)),
  };
}

/** The payload of an error in the version's own words (sections 5.4 and 6.5). */
export function failure(status: number, version: Version, codeMinor: string): Answer {
  const common = { imsx_codeMajor: "failure", imsx_severity: "error", imsx_description: "refused" };
  const payload =
    version === "1.1"
      ? { statusInfoSet: [{ ...common, imsx_codeMinor: codeMinor }] }
      : {
          ...common,
          imsx_CodeMinor: {
            imsx_codeMinorField: [{ imsx_codeMinorFieldName: "TargetEndSystem", imsx_codeMinorFieldValue: codeMinor }],
          },
        };
  return json(status, payload);
}
