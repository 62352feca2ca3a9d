// How the test's OneRoster server makes a page and sends it, with the faults that are switched on at each point.
// It keeps true that without faults a page begins at its offset and has as many records as were asked for.

import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { setTimeout as delay } from "node:timers/promises";

import type { Answer, Asked, Hooks, Page } from "./oneroster-fault.ts";
import type { Item, Items } from "./oneroster-items.ts";

const texts = new WeakMap<Item, string>();

/** An item as text: made once, because benches ask for the same ones again and again. */
function textOf(item: Item): string {
  const known = texts.get(item);
  if (known !== undefined) return known;
  const text = JSON.stringify(item);
  texts.set(item, text);
  return text;
}

export type Source = {
  readonly items: Items;
  readonly hooks: readonly Hooks[];
  readonly total: boolean;
  readonly links: boolean;
  readonly most: number | null;
  readonly headers: Readonly<Record<string, string>>;
};

/** The answer to an authorised request. */
export function pageOf(source: Source, asked: Asked): Answer {
  const { hooks } = source;
  const all = hooks.reduce((items, each) => each.items?.(items, asked) ?? items, source.items[asked.collection]);
  const most = Math.min(asked.limit, source.most ?? asked.limit);
  const window = hooks.reduce((at, each) => each.window?.({ ...asked, ...at }) ?? at, {
    offset: asked.offset,
    limit: most,
  });
  const items = all.slice(window.offset, window.offset + window.limit);
  const made: Page = {
    items,
    total: source.total ? String(all.length) : null,
    link: source.links ? linkOf(asked, { received: items.length, total: all.length }) : null,
  };
  const page = hooks.reduce((before, each) => each.page?.(before, asked, all) ?? before, made);
  const shaped = hooks.some((each) => each.shape !== undefined);
  const body = shaped
    ? JSON.stringify(
        hooks.reduce<unknown>((before, each) => (each.shape ? each.shape(before, asked) : before), {
          [asked.collection]: page.items,
        }),
      )
    : `{"${asked.collection}":[${page.items.map(textOf).join(",")}]}`;
  const text = hooks.reduce((before, each) => each.text?.(before, asked) ?? before, body);
  const answer: Answer = {
    status: 200,
    headers: {
      "content-type": "application/json;charset=UTF-8",
      ...(page.total === null ? {} : { "x-total-count": page.total }),
      ...(page.link === null ? {} : { link: page.link }),
      ...source.headers,
    },
    body: Buffer.from(text),
  };
  return hooks.reduce((before, each) => each.answer?.(before, asked) ?? before, answer);
}

function linkOf(asked: Asked, seen: { readonly received: number; readonly total: number }): string | null {
  const next = asked.offset + seen.received;
  return seen.received === 0 || next >= seen.total ? null : nextLink(asked, next);
}

/** A link as RFC 8288 has it. */
export function nextLink(asked: Asked, offset: number): string {
  const url = new URL(asked.url);
  url.searchParams.set("limit", String(asked.limit));
  url.searchParams.set("offset", String(offset));
  return `<${url.href}>; rel="next"`;
}

/** Sends an answer, or as much of it as it says. */
export async function send(response: ServerResponse, answer: Answer): Promise<void> {
  const { status, headers, body, end } = answer;
  response.writeHead(status, { ...headers, "content-length": body.length });
  const half = body.subarray(0, Math.floor(body.length / 2));
  if (end === undefined) {
    response.end(body);
    return;
  }
  if (end === "drip") {
    const part = Math.max(1, Math.ceil(body.length / 8));
    for (let at = 0; at < body.length; at += part) {
      response.write(body.subarray(at, at + part));
      await delay(5);
    }
    response.end();
    return;
  }
  response.write(half);
  if (end === "stall") {
    await once(response, "close");
    return;
  }
  await delay(5);
  response.destroy();
}
