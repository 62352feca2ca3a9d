// Faults of paging: where pages begin, how long they are, what totals and links say, and collections that change while
// they are read.

import { type Asked, failure, type Fault, type Hooks, type Page } from "./oneroster-fault.ts";
import type { Item } from "./oneroster-items.ts";
import { nextLink } from "./oneroster-page.ts";

/** Changes pages of every collection. */
function everyPage(change: (page: Page, asked: Asked, all: readonly Item[]) => Page): Fault["hooks"] {
  return () => ({ page: change });
}

/** What the target holds, by the number of the request for it. */
function holding(items: (items: readonly Item[], nth: number) => readonly Item[]): Fault["hooks"] {
  return (target): Hooks => ({
    items: (all, asked) => (asked.collection === target ? items(all, asked.nth) : all),
  });
}

function ghosts(items: readonly Item[], count: number): readonly Item[] {
  return items.slice(0, count).map((item, index) => ({ ...item, sourcedId: `ghost-${index}` }));
}

/** No total and no link; past the end a status instead of an empty page. */
function endsWith(status: number): Fault["hooks"] {
  return () => ({
    page: (page) => ({ ...page, total: null, link: null }),
    answer: (answer, { offset, version }) =>
      offset > 0 && answer.body.toString().endsWith("[]}") ? failure(status, version, "unknown object") : answer,
  });
}

function linked(page: Page, change: (link: string) => string): Page {
  return page.link === null ? page : { ...page, link: change(page.link) };
}

const lengths: readonly Fault[] = [
  {
    name: "clamp",
    does: "answers 17 records at most, and does not say so",
    expected: "whole",
    hooks: () => ({ window: ({ offset, limit }) => ({ offset, limit: Math.min(limit, 17) }) }),
  },
  {
    name: "short-pages",
    does: "answers fewer records than were asked for, each time another number",
    expected: "whole",
    hooks: () => ({
      window: ({ offset, limit, nth }) => ({ offset, limit: Math.max(1, limit - ((nth * 7) % limit)) }),
    }),
  },
  {
    name: "one-by-one",
    does: "answers one record at a time after the first page of the target",
    expected: "whole",
    hooks: (target) => ({
      window: ({ collection, offset, limit }) => ({
        offset,
        limit: collection === target && offset > limit * 4 ? 1 : limit,
      }),
    }),
  },
  {
    name: "repeat-page",
    does: "answers the second page again instead of all that follow",
    expected: "incomplete",
    hooks: (target) => ({
      window: ({ collection, offset, limit }) => ({
        offset: collection === target ? Math.min(offset, limit) : offset,
        limit,
      }),
    }),
  },
  {
    name: "ignores-offset",
    does: "answers the first page whatever offset is asked",
    expected: "incomplete",
    hooks: () => ({ window: ({ limit }) => ({ offset: 0, limit }) }),
  },
  {
    name: "ignores-limit",
    does: "answers everything from the offset on",
    expected: "whole",
    hooks: () => ({ window: ({ offset }) => ({ offset, limit: 1e9 }) }),
  },
  {
    name: "no-paging",
    does: "answers everything whatever limit and offset are asked",
    expected: "whole",
    hooks: () => ({ window: () => ({ offset: 0, limit: 1e9 }) }),
  },
  {
    name: "no-paging-no-total",
    does: "answers everything whatever is asked, with neither total nor link",
    expected: "whole",
    spoilsTotal: true,
    hooks: () => ({
      window: () => ({ offset: 0, limit: 1e9 }),
      page: (page) => ({ ...page, total: null, link: null }),
    }),
  },
  {
    name: "empty-200-once",
    does: "answers one page in the middle as empty, without total and link",
    expected: "whole",
    hooks: (target) => ({
      page: (page, { collection, nth }) =>
        collection === target && nth === 3 ? { items: [], total: null, link: null } : page,
    }),
  },
  {
    name: "empty-200-always",
    does: "says that a collection has nothing",
    expected: "incomplete",
    hooks: holding(() => []),
  },
  {
    name: "empty-after-two",
    does: "answers empty pages after the second, with the true total",
    expected: "incomplete",
    needsTotal: true,
    hooks: (target) => ({
      page: (page, { collection, offset, limit }) =>
        collection === target && offset >= 2 * limit ? { ...page, items: [], link: null } : page,
    }),
  },
  { name: "404-at-end", does: "answers 404 past the end", expected: "whole", spoilsTotal: true, hooks: endsWith(404) },
  {
    name: "400-past-end",
    does: "answers 400 past the end",
    expected: "whole",
    spoilsTotal: true,
    hooks: endsWith(400),
  },
  {
    name: "404-for-empty",
    does: "answers 404 for a collection that has nothing",
    expected: "incomplete",
    hooks: (target) => ({
      instead: ({ collection, version }) => (collection === target ? failure(404, version, "unknown object") : null),
    }),
  },
];

const moving: readonly Fault[] = [
  {
    name: "grow",
    does: "has five records more at the end once two pages were read",
    expected: "whole",
    hooks: holding((items, nth) => (nth <= 2 ? items.slice(0, -5) : items)),
  },
  {
    name: "grow-in-front",
    does: "has five records more at the beginning once two pages were read",
    expected: "whole",
    hooks: holding((items, nth) => (nth <= 2 ? items.slice(5) : items)),
  },
  {
    name: "shrink",
    does: "loses five records of the first page once two pages were read",
    expected: "either",
    needsTotal: true,
    hooks: holding((items, nth) => (nth <= 2 ? [...ghosts(items, 5), ...items] : items)),
  },
  {
    name: "shrinks-always",
    does: "loses a record of the first page at every request",
    expected: "incomplete",
    needsTotal: true,
    hooks: holding((items, nth) => items.slice(nth - 1)),
  },
  {
    name: "swap",
    does: "loses a record of the first page and gains one at the end, so that the total stays",
    expected: "either",
    hooks: holding((items, nth) => (nth <= 2 ? [...ghosts(items, 1), ...items.slice(0, -1)] : items)),
  },
  {
    name: "unsorted-between-pages",
    does: "has another order at every request",
    expected: "either",
    hooks: holding((items, nth) => [
      ...items.slice((nth * 7) % items.length),
      ...items.slice(0, (nth * 7) % items.length),
    ]),
  },
  {
    name: "duplicate-items",
    does: "has some records twice, always at the same places",
    expected: "either",
    hooks: holding((items) => [...items.slice(0, 60), ...items.slice(10, 13), ...items.slice(60)]),
  },
];

const links: readonly Fault[] = [
  {
    name: "loop-link",
    does: "links from the third page to the second",
    expected: "either",
    hooks: everyPage((page, asked) => ({
      ...page,
      link: asked.offset >= 2 * asked.limit ? nextLink(asked, asked.limit) : page.link,
    })),
  },
  {
    name: "self-link",
    does: "links from the last page to itself",
    expected: "either",
    hooks: everyPage((page, asked) => ({ ...page, link: page.link ?? nextLink(asked, asked.offset) })),
  },
  {
    name: "off-by-one-link",
    does: "links to one record after the next",
    expected: "whole",
    hooks: everyPage((page, asked) => linked(page, () => nextLink(asked, asked.offset + page.items.length + 1))),
  },
  {
    name: "link-without-brackets",
    does: "leaves the angle brackets out",
    expected: "whole",
    hooks: everyPage((page) => linked(page, (link) => link.replaceAll(/[<>]/gu, ""))),
  },
  {
    name: "relative-link",
    does: "links by a path alone",
    expected: "whole",
    hooks: everyPage((page) => linked(page, (link) => link.replace(/http:\/\/[^/]+/u, ""))),
  },
  {
    name: "many-links",
    does: "links to first, last, prev and next at once, next without quotes and in capitals",
    expected: "whole",
    hooks: everyPage((page, asked) =>
      linked(page, (link) => {
        const other = (rel: string): string => nextLink(asked, 0).replace('"next"', `"${rel}"`);
        return [other("first"), other("prev"), link.replace('"next"', "NEXT"), other("last")].join(", ");
      }),
    ),
  },
  {
    name: "foreign-link",
    does: "links to another host",
    expected: "either",
    hooks: everyPage((page, asked) => linked(page, (link) => link.replace(/http:\/\/[^/]+/u, asked.stranger))),
  },
];

const totals: readonly Fault[] = [
  {
    name: "total-missing",
    does: "sends no total",
    expected: "whole",
    spoilsTotal: true,
    hooks: everyPage((page) => ({ ...page, total: null })),
  },
  {
    name: "total-and-link-missing",
    does: "sends neither total nor link",
    expected: "whole",
    spoilsTotal: true,
    hooks: everyPage((page) => ({ ...page, total: null, link: null })),
  },
  {
    name: "total-wrong",
    does: "says three records more than there are",
    expected: "incomplete",
    spoilsTotal: true,
    hooks: everyPage((page, _, all) => ({ ...page, total: String(all.length + 3) })),
  },
  {
    name: "total-too-small",
    does: "says three records fewer than there are",
    expected: "either",
    spoilsTotal: true,
    hooks: everyPage((page, _, all) => ({ ...page, total: String(Math.max(0, all.length - 3)) })),
  },
  {
    name: "total-of-page",
    does: "says as the total how many records the page has, and links to none",
    expected: "either",
    spoilsTotal: true,
    hooks: everyPage((page) => ({ ...page, total: String(page.items.length), link: null })),
  },
  {
    name: "total-zero",
    does: "says that the total is 0",
    expected: "either",
    spoilsTotal: true,
    hooks: everyPage((page) => ({ ...page, total: "0" })),
  },
  {
    name: "total-text",
    does: "says a total that is no number",
    expected: "whole",
    spoilsTotal: true,
    hooks: everyPage((page) => ({ ...page, total: "many" })),
  },
];

export const pagingFaults: readonly Fault[] = [...lengths, ...moving, ...links, ...totals];
