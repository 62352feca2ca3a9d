// A collection in memory behind the interface of an API, with every habit and mishap of paging that is known; what was
// there all the time is told apart from what came or went.

import type { ApiAnswer, OneRosterApi, Patience } from "../../../libs/adapters/oneroster-api/api.ts";
import { itemsOf, parseJson, sourcedIdOf } from "../../../libs/adapters/oneroster-api/envelope.ts";
import { readCollection } from "../../../libs/adapters/oneroster-api/pager.ts";
import { AppError } from "../../../libs/errors.ts";
import { Random } from "../../support/seeded.ts";

export const quick: Patience = {
  tries: 4,
  firstPauseMs: 0,
  longestPauseMs: 0,
  retryAfterMs: 0,
  silenceMs: 1000,
  requestMs: 1000,
};

export type Habits = {
  readonly rows: number;
  /** Records that are asked for at once. */
  readonly limit: number;
  readonly clamp: number | null;
  /** Chance that a page is shorter than it could be. */
  readonly short: number;
  readonly total: "true" | "none" | "text" | "page" | "running" | "zero" | "negative" | "many" | "few";
  readonly link:
    | "none"
    | "offset"
    | "off-by-one"
    | "loop"
    | "bare"
    | "foreign"
    | "cursor"
    | "cursor-loop"
    | "cursor-lost";
  readonly pastEnd: "empty" | 404 | 400;
  /** `pages`: offsets are rounded down to whole pages; `refuse`: others are refused. */
  readonly offsets: "any" | "pages" | "refuse" | "ignore";
  readonly ignoresLimit: boolean;
  /** Chance, at each request, that a row comes or goes; only so often in all. */
  readonly grow: number;
  readonly shrink: number;
  readonly swap: number;
  readonly movements: number;
  /** Chance of an answer that is empty, cut, or the one before again; never two in a row. */
  readonly mishap: number;
  /** From this offset on answers are empty for ever. */
  readonly emptyFrom: number | null;
  /** Rows that stand there twice. */
  readonly doubles: number;
  readonly pretty: boolean;
};

export const plain: Habits = {
  rows: 25,
  limit: 10,
  clamp: null,
  short: 0,
  total: "true",
  link: "none",
  pastEnd: "empty",
  offsets: "any",
  ignoresLimit: false,
  grow: 0,
  shrink: 0,
  swap: 0,
  movements: 2,
  mishap: 0,
  emptyFrom: null,
  doubles: 0,
  pretty: false,
};

type Window = { readonly from: number; readonly limit: number };

export class Shelf implements OneRosterApi {
  readonly baseUrl = "https://sis.example/ims/oneroster/v1p1";
  readonly asked: string[] = [];
  /** Ids that were there from the first request on and still are. */
  readonly #steady: Set<string>;
  readonly ever: Set<string>;
  readonly #habits: Habits;
  readonly #random: Random;
  #rows: string[];
  #made: number;
  #moved = 0;
  #hadMishap = false;
  #before: ApiAnswer | null = null;

  constructor(habits: Partial<Habits>, random = new Random(1, 1)) {
    this.#habits = { ...plain, ...habits };
    this.#random = random;
    this.#rows = Array.from({ length: this.#habits.rows }, (_, index) => `id-${index}`);
    for (let i = 0; i < this.#habits.doubles && this.#rows.length > 0; i++) {
      this.#rows.splice(random.below(this.#rows.length), 0, random.pick(this.#rows));
    }
    this.#made = this.#rows.length;
    this.#steady = new Set(this.#rows);
    this.ever = new Set(this.#rows);
  }

  get steady(): readonly string[] {
    return [...this.#steady];
  }

  async get(url: URL): Promise<ApiAnswer> {
    this.asked.push(url.search);
    if (this.asked.length > 20_000) throw new Error("it is asked for ever");
    const answer = this.#answer(url);
    const isMishap = !this.#hadMishap && this.asked.length > 1 && this.#random.chance(this.#habits.mishap);
    this.#hadMishap = isMishap;
    const given = isMishap ? this.#mishapOf(answer) : answer;
    this.#before = answer;
    this.#move();
    return given;
  }

  grantedScopes(): null {
    return null;
  }

  requests(): number {
    return this.asked.length;
  }

  async close(): Promise<void> {}

  #mishapOf(answer: ApiAnswer): ApiAnswer {
    switch (this.#random.below(3)) {
      case 0:
        return { ...answer, status: 200, text: '{"users":[]}', headers: new Map() };
      case 1:
        return { ...answer, text: answer.text.slice(0, answer.text.length / 2) };
      default:
        return this.#before ?? answer;
    }
  }

  #move(): void {
    const { grow, shrink, swap, movements } = this.#habits;
    if (this.#moved >= movements) return;
    const random = this.#random;
    const swaps = random.chance(swap);
    const [comes, goes] = [swaps || random.chance(grow), swaps || random.chance(shrink)];
    if (comes || goes) this.#moved += 1;
    if (goes && this.#rows.length > 0) {
      const id = random.pick(this.#rows);
      this.#steady.delete(id);
      this.#rows = this.#rows.filter((row) => row !== id);
    }
    if (comes) {
      const id = `id-${this.#made++}`;
      this.ever.add(id);
      this.#rows.splice(random.chance(0.5) ? this.#rows.length : random.below(this.#rows.length + 1), 0, id);
    }
  }

  /** Where a page begins and how long it may be; a number is a status that is answered instead. */
  #windowOf(url: URL): Window | 404 | 400 {
    const habits = this.#habits;
    const asked = { offset: Number(url.searchParams.get("offset")), limit: Number(url.searchParams.get("limit")) };
    const limit = habits.ignoresLimit ? 1e9 : Math.min(asked.limit, habits.clamp ?? asked.limit);
    const cursor = url.searchParams.get("after");
    if (cursor !== null) return { from: this.#rows.indexOf(cursor) + 1, limit };
    if (asked.offset > 0 && asked.offset >= this.#rows.length && habits.pastEnd !== "empty") return habits.pastEnd;
    if (habits.offsets === "refuse" && asked.offset % limit !== 0) return 400;
    const from = { any: asked.offset, refuse: asked.offset, ignore: 0, pages: asked.offset - (asked.offset % limit) };
    return { from: from[habits.offsets], limit };
  }

  #answer(url: URL): ApiAnswer {
    const habits = this.#habits;
    const window = this.#windowOf(url);
    if (window === 400) throw new AppError("api.answer", { details: { status: 400 } });
    if (window === 404) return { url, status: 404, headers: new Map(), text: "<html>" };
    const isShort = this.#random.chance(habits.short);
    const length = isShort ? 1 + this.#random.below(Math.min(window.limit, 50)) : window.limit;
    const hides = habits.emptyFrom !== null && window.from >= habits.emptyFrom;
    const ids = hides ? [] : this.#rows.slice(window.from, window.from + length);
    const total = this.#totalOf(window.from, ids.length);
    const link = this.#linkOf({ url, from: window.from, ids });
    const headers = new Map<string, string>();
    if (total !== null) headers.set("x-total-count", total);
    if (link !== null) headers.set("link", link);
    const body = { count: [ids.length], users: ids.map((id) => ({ name: 'a "],[{', sourcedId: id })) };
    return { url, status: 200, headers, text: JSON.stringify(body, null, habits.pretty ? 1 : undefined) };
  }

  #totalOf(from: number, length: number): string | null {
    const all = this.#rows.length;
    const totals: Readonly<Record<Habits["total"], string | null>> = {
      true: String(all),
      none: null,
      text: "many",
      page: String(length),
      running: String(from + length),
      zero: "0",
      negative: "-1",
      many: String(all + 3),
      few: String(Math.max(0, all - 3)),
    };
    return totals[this.#habits.total];
  }

  #linkOf({ url, from, ids }: { url: URL; from: number; ids: readonly string[] }): string | null {
    const next = from + ids.length;
    const isLast = next >= this.#rows.length;
    const limit = url.searchParams.get("limit");
    const to = (offset: number): string => `</ims/oneroster/v1p1/users?limit=${limit}&offset=${offset}>; rel="next"`;
    const after = ids.at(-1) ?? "id-0";
    const links: Readonly<Record<Habits["link"], string | null>> = {
      none: null,
      offset: isLast ? null : to(next),
      "off-by-one": isLast ? null : to(next + 1),
      loop: to(isLast ? 0 : next),
      bare: isLast ? null : `users?limit=${limit}&offset=${next}; rel=next`,
      foreign: isLast ? null : `<https://other.example/users?limit=${limit}&offset=${next}>; rel=next`,
      cursor: isLast ? null : `<?limit=${limit}&after=${after}>; rel=next`,
      // That of the third request, for the second page, is left out.
      "cursor-lost": isLast || this.asked.length === 3 ? null : `<?limit=${limit}&after=${after}>; rel=next`,
      "cursor-loop": `<?limit=${limit}&after=${isLast ? "id-0" : after}>; rel=next`,
    };
    return links[this.#habits.link];
  }
}

export type Read = {
  readonly outcome: "read" | "absent" | "incomplete";
  readonly reason: string;
  /** Ids of the pages that were kept, in their order, from their text. */
  readonly ids: readonly string[];
  readonly items: number;
};

/** Reads a shelf as a pull does, and the ids out of the text that is kept. */
export async function readShelf(shelf: Shelf, limit: number = plain.limit, ignoresLinks = false): Promise<Read> {
  let ids: string[] = [];
  try {
    const result = await readCollection({
      api: shelf,
      target: { collection: "users", url: new URL(`${shelf.baseUrl}/users`), limit, ignoresLinks },
      sink: {
        restart: async () => {
          ids = [];
        },
        page: async ({ text, items }) => {
          const kept = itemsOf(parseJson(text), "users");
          if (kept.outcome !== "items" || kept.items.length !== items.length) throw new Error("another page was kept");
          ids.push(...kept.items.map((item) => sourcedIdOf(item) ?? "?"));
        },
      },
      patience: quick,
      signal: new AbortController().signal,
    });
    return { outcome: result.outcome, reason: "", ids, items: result.outcome === "read" ? result.items : 0 };
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== "api.incomplete") throw error;
    return { outcome: "incomplete", reason: error.message, ids, items: 0 };
  }
}
