// A whole pull: every collection that is wanted, read to its end and kept on disk, or an error that says why not.
// It keeps true: a collection that had records and shows none is not taken for one that is empty, unless the school year
// is over; and no request goes out after one collection has failed.

import { rm } from "node:fs/promises";

import { collectionUrl } from "../../domain/api/base-url.ts";
import { type Collection, collections, requiredCollections } from "../../domain/api/collections.ts";
import type { ApiProfile } from "../../domain/api/profile.ts";
import type { PulledCollection, PullRecord, Seen } from "../../domain/api/pulled.ts";
import type { ApiSettings } from "../../domain/api/settings.ts";
import { datePart, isDate } from "../../domain/dates.ts";
import { AppError, isAppError } from "../../errors.ts";
import { propertyOf } from "../oneroster/rest-cells.ts";
import { defaultPatience, type OneRosterApi, type Patience } from "./api.ts";
import { Asker, type Target } from "./asker.ts";
import { sourcedIdOf } from "./envelope.ts";
import { readCollection } from "./pager.ts";
import type { PageSink } from "./reading.ts";
import { pathOf, Spool } from "./spool.ts";

export type Progress = { readonly collection: Collection; readonly items: number; readonly total: number | null };

/** A collection and its file of pages. */
export type PulledFile = PulledCollection & { readonly path: string; readonly bytes: number; readonly pages: number };

export type Pulled = {
  readonly collections: readonly PulledFile[];
  readonly missing: PullRecord["missing"];
  readonly seen: Seen;
};

export type PullOptions = {
  readonly profile: ApiProfile;
  readonly settings: ApiSettings;
  readonly wanted: readonly Collection[];
  /** Items of the last delivery; null when there was none. */
  readonly counts: Readonly<Partial<Record<Collection, number>>> | null;
  /** Where the files are put; made when it is not there. */
  readonly folder: string;
  readonly signal: AbortSignal;
  readonly progress?: (progress: Progress) => void;
  readonly patience?: Patience | undefined;
  /** YYYY-MM-DD; by default the day in UTC. */
  readonly today?: string;
};

/** What one collection came to. */
type Result =
  | { readonly outcome: "pulled"; readonly file: PulledFile; readonly facts: Facts }
  | { readonly outcome: "missing"; readonly why: "forbidden" | "unknown" };

/**
 * Reads orgs first and alone, so that a permission that lacks costs one request; then all others side by side.
 * @throws AppError `api.incomplete`, `api.forbidden` naming the collection, and what `api.get` throws. The files are the
 * caller's to remove.
 */
export async function pullCollections(api: OneRosterApi, options: PullOptions): Promise<Pulled> {
  return await new Pull(api, options).run();
}

class Pull {
  readonly #api: OneRosterApi;
  readonly #options: PullOptions;
  readonly #patience: Patience;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #results = new Map<Collection, Promise<Result>>();
  #revision: string | null = null;

  constructor(api: OneRosterApi, options: PullOptions) {
    const header = (options.settings.revisionHeader ?? options.profile.revisionHeader)?.toLowerCase();
    this.#api = {
      baseUrl: api.baseUrl,
      get: async (url) => {
        const answer = await api.get(url);
        if (header !== undefined) this.#revision = answer.headers.get(header) ?? this.#revision;
        return answer;
      },
      grantedScopes: () => api.grantedScopes(),
      requests: () => api.requests(),
      close: () => api.close(),
    };
    this.#options = options;
    this.#patience = options.patience ?? defaultPatience;
    this.#signal = AbortSignal.any([options.signal, this.#stop.signal]);
  }

  async run(): Promise<Pulled> {
    const wanted = collections.filter((name) => this.#options.wanted.includes(name));
    for (const first of wanted.filter((name) => name === "orgs")) await this.#ended(this.#start(first));
    await this.#ended(...wanted.filter((name) => name !== "orgs").map((name) => this.#start(name)));
    const results = await Promise.all(wanted.map(async (name) => ({ name, result: await this.#results.get(name) })));
    return {
      collections: results.flatMap(({ result }) => (result?.outcome === "pulled" ? [result.file] : [])),
      missing: results.flatMap(({ name, result }) =>
        result?.outcome === "missing" ? [{ name, why: result.why }] : [],
      ),
      seen: {
        orgs: (await this.#factsOf("orgs"))?.ids ?? [],
        scopes: this.#api.grantedScopes(),
        revision: this.#revision,
        sessionsEnd: (await this.#factsOf("academicSessions"))?.sessionsEnd ?? null,
      },
    };
  }

  #start(collection: Collection): Promise<Result> {
    const result = this.#pull(collection).catch((error: unknown) => {
      // The first failure is the one that is told; the others are only stopped by it.
      this.#stop.abort(error);
      throw error;
    });
    this.#results.set(collection, result);
    return result;
  }

  async #ended(...results: readonly Promise<Result>[]): Promise<void> {
    await Promise.allSettled(results);
    this.#options.signal.throwIfAborted();
    if (this.#stop.signal.aborted) throw this.#stop.signal.reason;
  }

  async #factsOf(collection: Collection): Promise<Facts | null> {
    const result = await this.#results.get(collection);
    return result?.outcome === "pulled" ? result.facts : null;
  }

  async #pull(collection: Collection): Promise<Result> {
    const isRequired = requiredCollections.includes(collection);
    const sink = new FileSink(collection, await onDisk(Spool.open(this.#options.folder, collection)), this.#options);
    let found: "read" | "absent" | "forbidden";
    try {
      found = await this.#read(collection, sink);
    } catch (error) {
      if (!isAppError(error, "api.forbidden")) throw error;
      if (isRequired) throw forbidden(collection, error);
      found = "forbidden";
    } finally {
      await onDisk(sink.spool.close());
    }
    if (found === "absent" && isRequired) this.#checkAbsent(collection);
    if (found === "read" || isRequired) return { outcome: "pulled", file: sink.file(), facts: sink.facts };
    await rm(sink.spool.path, { force: true });
    return { outcome: "missing", why: found === "forbidden" ? "forbidden" : "unknown" };
  }

  /** Reads it; again, with patience, while it is empty and was not at the last delivery. */
  async #read(collection: Collection, sink: FileSink): Promise<"read" | "absent"> {
    const target = this.#targetOf(collection);
    const asker = new Asker({ api: this.#api, target, patience: this.#patience, signal: this.#signal });
    for (let tries = 1; ; tries++) {
      const read = await readCollection({
        api: this.#api,
        target,
        sink,
        patience: this.#patience,
        signal: this.#signal,
      });
      if (read.outcome === "absent" || read.items > 0 || !this.#hadItems(collection)) return read.outcome;
      if (await this.#isYearOver(collection)) return "read";
      if (tries >= this.#patience.tries)
        throw asker.incomplete("it is empty, and was not at the last delivery", {
          before: this.#options.counts?.[collection] ?? 0,
        });
      await asker.pause(tries);
      await sink.restart();
    }
  }

  #targetOf(collection: Collection): Target {
    const { profile, settings } = this.#options;
    return {
      collection,
      url: collectionUrl(this.#api.baseUrl, collection, settings.version),
      limit: settings.pageSize ?? profile.paging.limit,
      ignoresLinks: profile.paging.ignoresLinks,
    };
  }

  #hadItems(collection: Collection): boolean {
    return requiredCollections.includes(collection) && (this.#options.counts?.[collection] ?? 0) > 0;
  }

  /** Between two school years a source may show its sessions and nobody in them. */
  async #isYearOver(collection: Collection): Promise<boolean> {
    if (collection === "orgs" || collection === "academicSessions") return false;
    const end = (await this.#factsOf("academicSessions"))?.sessionsEnd ?? null;
    return end !== null && end <= (this.#options.today ?? new Date().toISOString().slice(0, 10));
  }

  /** 404 for a collection that nothing was ever delivered of, from a source that has others: it is empty. */
  #checkAbsent(collection: Collection): void {
    if (collection !== "orgs" && !this.#hadItems(collection)) return;
    throw new AppError("api.incomplete", {
      message: `reading ${collection}, which the source does not know (404)`,
      details: { collection },
    });
  }
}

function forbidden(collection: Collection, cause: unknown): AppError {
  return new AppError("api.forbidden", {
    message: `reading ${collection}, which the source does not let us read`,
    cause,
    details: { collection },
  });
}

async function onDisk<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    throw new AppError("landing.io", { message: "keeping the pages of a pull on disk", cause });
  }
}

/** Puts pages into the file and keeps in mind what is to be known of them. */
class FileSink implements PageSink {
  readonly #collection: Collection;
  readonly #progress: PullOptions["progress"];
  readonly spool: Spool;
  facts: Facts;
  #items = 0;

  constructor(collection: Collection, spool: Spool, options: Pick<PullOptions, "progress">) {
    this.#collection = collection;
    this.#progress = options.progress;
    this.spool = spool;
    this.facts = new Facts(collection);
  }

  async restart(): Promise<void> {
    await onDisk(this.spool.restart());
    this.facts = new Facts(this.#collection);
    this.#items = 0;
  }

  async page(page: Parameters<PageSink["page"]>[0]): Promise<void> {
    for (const item of page.items) this.facts.note(item);
    this.#items += page.items.length;
    if (page.items.length > 0)
      await onDisk(this.spool.add({ path: pathOf(this.#collection, page.url, page.offset), text: page.text }));
    this.#progress?.({ collection: this.#collection, items: this.#items, total: page.total });
  }

  file(): PulledFile {
    const { path, bytes, pages } = this.spool;
    return { name: this.#collection, items: this.#items, metadata: this.facts.metadata, path, bytes, pages };
  }
}

/** So many names of metadata become columns: the first of all by name, whatever the order they came in. */
const mostNames = 500;
/** Names that are kept in mind to choose from. Behind so many, which no honest source has, order decides. */
const mostNamesSeen = 5000;

class Facts {
  readonly #collection: Collection;
  readonly #metadata = new Set<string>();
  readonly #ids = new Set<string>();
  sessionsEnd: string | null = null;

  constructor(collection: Collection) {
    this.#collection = collection;
  }

  /** Names that are left out are told nowhere. */
  get metadata(): readonly string[] {
    return [...this.#metadata].toSorted().slice(0, mostNames);
  }

  /** Of orgs alone. */
  get ids(): readonly string[] {
    return [...this.#ids].toSorted();
  }

  note(item: unknown): void {
    if (!isFields(item)) return;
    const { status } = item;
    const metadata = propertyOf(item, "metadata");
    if (isFields(metadata)) {
      for (const name in metadata) if (this.#metadata.size < mostNamesSeen) this.#metadata.add(name);
    }
    if (this.#collection !== "orgs" && this.#collection !== "academicSessions") return;
    if (typeof status === "string" && status.trim().toLowerCase() === "tobedeleted") return;
    const id = sourcedIdOf(item);
    if (this.#collection === "orgs") {
      if (id !== null) this.#ids.add(id);
      return;
    }
    const end = dayOf(item["endDate"]);
    if (end !== null && (this.sessionsEnd === null || end > this.sessionsEnd)) this.sessionsEnd = end;
  }
}

function dayOf(value: unknown): string | null {
  if (typeof value !== "string") return null;
  return isDate(value) ? value : datePart(value);
}

function isFields(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
