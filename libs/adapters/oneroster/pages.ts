// Reads the pages of a collection as they lie in a file: one line of JSON each, as pull.ts spooled them.
// It keeps true: memory holds one page; an id that was sent as a number keeps all its digits; a page that cannot be read,
// or a page in which no items can be found, makes the file unreadable and is never taken for an empty one.

import type { Collection } from "../../domain/api/collections.ts";
import { itemsOf, parseJson } from "../oneroster-api/envelope.ts";
import { isObject } from "../oneroster-api/json.ts";
import { unreadable } from "./unreadable.ts";

export type Page = {
  /** Where it was read from. */
  readonly path: string;
  /** As they came: whatever JSON can hold. */
  readonly items: readonly unknown[];
};

const lf = 10;

/** @throws AppError `set.unreadable` for a line that is no page. */
export async function* readPages(
  source: AsyncIterable<Uint8Array>,
  collection: Collection,
): AsyncGenerator<Page, void, undefined> {
  for await (const line of linesOf(source)) {
    const page = parsed(line);
    const found = isObject(page) ? itemsOf(page["body"], collection) : null;
    if (!isObject(page) || typeof page["path"] !== "string" || found?.outcome !== "items") throw noPage();
    yield { path: page["path"], items: found.items };
  }
}

/** Splits at line feeds alone: texts of JSON may hold other characters that some take for the end of a line. */
async function* linesOf(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer, void, undefined> {
  let parts: Uint8Array[] = [];
  for await (const chunk of source) {
    let from = 0;
    for (let end = chunk.indexOf(lf); end >= 0; end = chunk.indexOf(lf, from)) {
      yield Buffer.concat([...parts, chunk.subarray(from, end)]);
      parts = [];
      from = end + 1;
    }
    if (from < chunk.length) parts.push(chunk.subarray(from));
  }
  if (parts.length > 0) yield Buffer.concat(parts);
}

function parsed(line: Buffer): unknown {
  try {
    return parseJson(line.toString("utf8"));
  } catch (cause) {
    throw noPage(cause);
  }
}

function noPage(cause?: unknown): Error {
  return unreadable("page.damaged", "a page of the pull cannot be read", cause);
}
