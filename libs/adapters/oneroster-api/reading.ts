// One reading of a collection from its first page to its end. What it has to prove, and how, stands in pager.ts.
// It keeps true that each page after the first is known to follow the one before, or is counted as not known to.

import { assert } from "../../domain/assert.ts";
import { KeyTable } from "../../domain/key-table.ts";
import { idFingerprint } from "../../ingest/type-state.ts";
import { type Asker, isBadRequest, type Page } from "./asker.ts";
import { withoutFirst } from "./envelope.ts";
import { keyOf, nameless, Print, printOf } from "./item-key.ts";

/** Takes the pages of a reading in their order; what it does with one is done when the promise resolves. */
export interface PageSink {
  /** All pages so far do not count. */
  restart(): Promise<void>;
  /** @param page.offset of its first record; null where the source counts by other means. */
  page(
    page: { readonly url: URL; readonly offset: number | null } & Pick<Page, "items" | "text" | "total">,
  ): Promise<void>;
}

export type Finished = {
  readonly outcome: "finished";
  /** Items received, and how many of them are not one id again. */
  readonly items: number;
  readonly distinct: number;
  /** What the source says that there are, where it is believed. */
  readonly total: number | null;
  readonly hasTotalChanged: boolean;
  /** Pages of which it is not known that they follow the one before. */
  readonly loose: number;
  /** Equal for readings that saw the same ids in the same order. */
  readonly print: string;
};

/** Records without an id are passed on, for the judge to refuse; but a source may not go on with them for ever. */
const mostNameless = 100_000;
/** Pages in a row that may show nothing but what was shown before, as rows do that come twice. */
const mostStale = 3;

/** The collection moved under the reading. `offsets`: records were not found where they had just been. */
export type Moved = {
  readonly outcome: "moved";
  readonly why: "offsets" | "other";
  readonly reason: string;
  /** Items and pages received until then. */
  readonly items: number;
  readonly pages: number;
};

export type ReadingResult = Finished | Moved | { readonly outcome: "absent" };

/** Ends a reading early. */
class Movement extends Error {
  readonly why: Moved["why"];

  constructor(why: Moved["why"], reason: string) {
    super(reason);
    this.why = why;
  }
}

export class Reading {
  readonly #asker: Asker;
  readonly #sink: PageSink;
  /** Whether pages are asked for from one record earlier, which must be the last one received. */
  readonly #overlaps: boolean;
  readonly #ids = new KeyTable();
  readonly #print = new Print();
  readonly #key = new Uint32Array(4);
  #first: { readonly print: string; readonly items: number } | null = null;
  /** Key of the last item received. */
  #last = "";
  #items = 0;
  #nameless = 0;
  #pages = 0;
  #loose = 0;
  #stale = 0;
  #total: number | null = null;
  #believes = true;
  #hasTotalChanged = false;
  /** Whether it ever said more than had been received: one that only says what was received tells nothing of the end. */
  #wasAhead = false;
  /** Links that were followed: only where offsets are not understood. */
  readonly #visited = new Set<string>();

  constructor(options: { readonly asker: Asker; readonly sink: PageSink; readonly overlaps: boolean }) {
    this.#asker = options.asker;
    this.#sink = options.sink;
    this.#overlaps = options.overlaps;
  }

  async run(): Promise<ReadingResult> {
    try {
      let page = await this.#firstPage();
      if (page === null) return { outcome: "absent" };
      while (page !== null) {
        // Asked for while this one is written.
        const before = this.#items;
        this.#count(page);
        const early = this.#asksEarly();
        await this.#sink.page({ ...page, offset: page.url.searchParams.has("offset") ? before : null });
        page = await this.#next(page, early);
      }
      return this.#finished();
    } catch (error) {
      if (error instanceof Movement)
        return { outcome: "moved", why: error.why, reason: error.message, items: this.#items, pages: this.#pages };
      throw error;
    }
  }

  get #distinct(): number {
    return this.#ids.size + this.#nameless;
  }

  #finished(): Finished {
    return {
      outcome: "finished",
      items: this.#items,
      distinct: this.#distinct,
      total: this.#believes ? this.#total : null,
      hasTotalChanged: this.#hasTotalChanged,
      loose: this.#overlaps ? this.#loose : Math.max(1, this.#loose),
      print: this.#print.text,
    };
  }

  /** An empty one is believed when it comes twice. */
  async #firstPage(): Promise<Page | null> {
    for (let tries = 1; ; tries++) {
      const page = await this.#asker.ask(this.#asker.at(0));
      if (page !== null && (page.items.length > 0 || isCursor(page.next))) {
        this.#noteTotal(page, 0);
        this.#first = { print: printOf(page.items), items: page.items.length };
        return page;
      }
      const promised = page?.total ?? 0;
      if (promised === 0 && tries > 1) return page;
      if (tries >= Math.max(2, this.#asker.patience.tries))
        throw this.#asker.incomplete(`the source counts ${promised} and shows none`, { total: promised });
      await this.#asker.pause(tries);
    }
  }

  #count(page: Page): void {
    for (const item of page.items) {
      const key = keyOf(item);
      idFingerprint(key, this.#key);
      if (key.startsWith(nameless)) this.#nameless += 1;
      else this.#ids.insert(this.#key);
      this.#print.add(this.#key);
      this.#last = key;
    }
    this.#items += page.items.length;
    this.#pages += 1;
    if (this.#nameless > mostNameless) throw this.#asker.incomplete("its records have no sourcedId");
    if (this.#total !== null && this.#total > this.#items) this.#wasAhead = true;
    // More than it says that there are: then it does not know.
    if (this.#total !== null && this.#distinct > this.#total) this.#believes = false;
  }

  /**
   * A total that is less than what its own answer shows is not believed: it counts the page, or nothing that we know.
   * @param offset of the page's first record.
   */
  #noteTotal({ total, items }: Page, offset: number): void {
    if (total === null || !this.#believes) return;
    if (total < offset + items.length) {
      this.#believes = false;
      return;
    }
    if (this.#total !== null && total < this.#total)
      throw this.#asker.incomplete(`it shrank from ${this.#total} to ${total} while it was read`);
    if (this.#total !== null && total > this.#total) this.#hasTotalChanged = true;
    this.#total = total;
  }

  get #isTotalReached(): boolean {
    return this.#believes && this.#total !== null && this.#distinct === this.#total;
  }

  /** The request that will come next, where that is known before the page is dealt with. */
  #asksEarly(): Promise<Page | null> | null {
    if (!this.#overlaps || this.#items === 0 || this.#visited.size > 0) return null;
    const asked = this.#askOverlap();
    // Whoever waits for it hears of its failure; nobody does when the page itself could not be written.
    asked.catch(() => undefined);
    return asked;
  }

  /** From the last record on. */
  async #askOverlap(): Promise<Page | null> {
    try {
      return await this.#asker.ask(this.#asker.at(this.#items - 1));
    } catch (error) {
      if (isBadRequest(error)) throw new Movement("offsets", "the source refuses an offset where a record was");
      throw error;
    }
  }

  async #next(page: Page, early: Promise<Page | null> | null): Promise<Page | null> {
    if (await this.#needsLinks(page, early)) return await this.#follow(page.next);
    if (this.#items === 0) return null;
    return this.#overlaps ? await this.#behindLast(early) : await this.#behindOffset();
  }

  /**
   * Our own count of what we received is better than links, so they are followed only where they name no offset and the
   * source does not understand offsets. That is seen after its first page.
   */
  async #needsLinks({ next }: Page, early: Promise<Page | null> | null): Promise<boolean> {
    if (this.#visited.size > 0) return true;
    if (!isCursor(next) || this.#pages > 1) return false;
    if (this.#items < 2 || early === null) return true;
    try {
      const overlap = await early;
      return overlap === null || !this.#beginsWithLast(overlap);
    } catch (error) {
      if (error instanceof Movement) return true;
      throw error;
    }
  }

  /**
   * The page that a link leads to. What it follows only the source knows, so that each is loose; and a link that leads
   * nowhere is no end, unless the total says so.
   */
  async #follow(link: URL | null): Promise<Page | null> {
    if (link === null) return null;
    const asker = this.#asker;
    if (link.hostname !== asker.target.url.hostname)
      throw asker.incomplete(`its next page is on another host, ${link.host}`, { host: link.host });
    const isNew = !this.#visited.has(link.href);
    this.#visited.add(link.href);
    for (let tries = 1; isNew && tries <= Math.max(2, asker.patience.tries); tries++) {
      const page = await asker.askBehind(link);
      if (page !== null && (page.items.length === 0 ? isCursor(page.next) : this.#hasNews(page))) {
        this.#noteTotal(page, 0);
        this.#loose += 1;
        return page;
      }
      if (this.#isTotalReached && this.#wasAhead) break;
      await asker.pause(tries);
    }
    if (this.#isTotalReached && this.#wasAhead) return null;
    throw asker.incomplete("a link to its next page leads to nothing new");
  }

  /** The next page by overlap; null when the end was seen. */
  async #behindLast(early: Promise<Page | null> | null): Promise<Page | null> {
    const offset = this.#items - 1;
    let asked = early;
    let alone = 0;
    let isBehindSeen = false;
    let wrong = 0;
    let none = 0;
    for (;;) {
      const page = await (asked ?? this.#askOverlap());
      asked = null;
      if (page === null || page.items.length === 0) {
        // The record was there: an answer that is empty is not believed, nor that there is no such page.
        none += 1;
        if (none >= Math.max(2, this.#asker.patience.tries))
          throw new Movement("other", `the source shows nothing at offset ${offset}, where a record was`);
        await this.#asker.pause(none);
      } else if (!this.#beginsWithLast(page)) {
        wrong += 1;
        if (wrong > 1) return await this.#elsewhere(page);
        await this.#asker.pause(wrong);
      } else {
        this.#noteTotal(page, offset);
        if (page.items.length > 1) return this.#withoutOverlap(page);
        // It still stands where it was after nothing was found behind it: so nothing moved up meanwhile.
        if (isBehindSeen) return null;
        alone += 1;
        const behind = await this.#behindOffset();
        isBehindSeen = behind === null;
        // A page of one record is no end. Of the records behind it, asked for by themselves, nobody knows what they follow.
        if (behind !== null && alone > 1) return behind;
        if (behind !== null) this.#loose -= 1;
      }
    }
  }

  /**
   * Another record stands where the last one was: the server knows no paging, it rounds offsets to whole pages, or the
   * collection moved.
   */
  async #elsewhere(page: Page): Promise<null> {
    if (this.#repeatsFirst(page)) {
      const behind = await this.#asker.askBehind(this.#asker.at(this.#items));
      if (behind !== null && this.#repeatsFirst(behind)) return await this.#withoutPaging();
    }
    throw new Movement("offsets", "records were not where they had just been");
  }

  /** The next page by its offset alone; null when none came for as long as the total and patience ask for. */
  async #behindOffset(): Promise<Page | null> {
    const offset = this.#items;
    for (let none = 0, old = 0; ;) {
      const page = await this.#asker.askBehind(this.#asker.at(offset));
      if (page === null || page.items.length === 0) {
        none += 1;
        const isLacking = this.#believes && this.#total !== null && !this.#isTotalReached;
        // With the last record alone where it was, and a total that was ahead and is reached, once is proof enough.
        const isShown = this.#overlaps && this.#isTotalReached && this.#wasAhead;
        if (none >= (isLacking ? Math.max(2, this.#asker.patience.tries) : isShown ? 1 : 2)) {
          // A source that refuses offsets where records were may refuse this one for the same reason.
          if (page === null && !this.#overlaps && !(this.#isTotalReached && this.#wasAhead))
            throw this.#asker.incomplete(`the source refuses offset ${offset}, as it did others`, { offset });
          return null;
        }
        await this.#asker.pause(none);
      } else if (this.#hasNews(page)) {
        this.#noteTotal(page, offset);
        this.#loose += 1;
        return page;
      } else {
        old += 1;
        if (old > 1) return await this.#noNews(page, offset);
        await this.#asker.pause(old);
      }
    }
  }

  async #noNews(page: Page, offset: number): Promise<null> {
    if (this.#repeatsFirst(page)) return await this.#withoutPaging();
    // A server that rounds offsets shows its last page again.
    if (this.#isTotalReached && this.#wasAhead) return null;
    throw new Movement("other", `the page at offset ${offset} shows what was shown before`);
  }

  /**
   * The server gives the same page whatever offset it is asked for. It is the collection if it is more than was asked for;
   * or if, when one record is asked for, it comes again, or the same total, which then counts more than its page, or a link
   * to the next page: then a page without one is the last.
   */
  async #withoutPaging(): Promise<null> {
    const { limit } = this.#asker.target;
    const items = this.#first?.items ?? 0;
    if (items > limit) return null;
    let proofs = 0;
    // Twice, because an answer may be the one before again.
    for (let tries = 1; tries <= 2 && limit > 1; tries++) {
      const one = await this.#asker.ask(this.#asker.at(0, 1));
      if (one === null) break;
      const isCounted = this.#isTotalReached && one.total === this.#total;
      if (this.#repeatsFirst(one) || isCounted || isCursor(one.next)) proofs += 1;
    }
    if (proofs === 2) return null;
    throw this.#asker.incomplete("the source answers the same page whatever offset is asked", { items });
  }

  #beginsWithLast(page: Page): boolean {
    return keyOf(page.items[0]) === this.#last;
  }

  #repeatsFirst(page: Page): boolean {
    return this.#pages === 1 && page.items.length === this.#first?.items && printOf(page.items) === this.#first.print;
  }

  #hasNews(page: Page): boolean {
    return page.items.some((item) => {
      const key = keyOf(item);
      idFingerprint(key, this.#key);
      return key.startsWith(nameless) || this.#ids.find(this.#key) === -1;
    });
  }

  #withoutOverlap(page: Page): Page {
    const text = withoutFirst(page.text, page.array);
    assert(text !== null, "a page of several items has a first one");
    const rest = { ...page, text, items: page.items.slice(1) };
    this.#stale = this.#hasNews(rest) ? 0 : this.#stale + 1;
    if (this.#stale > mostStale) throw new Movement("other", "its pages show what was shown before");
    return rest;
  }
}

/** Whether a link counts by other means than an offset. */
function isCursor(link: URL | null): link is URL {
  return link !== null && !link.searchParams.has("offset");
}
