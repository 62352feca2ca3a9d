// A pull as a set, made of items in a test: pages of a few items each, as they lie in landing.

import { Readable } from "node:stream";

import type { DeliveredSet } from "../../libs/adapters/oneroster/set-reader.ts";
import { type Collection, collections } from "../../libs/domain/api/collections.ts";
import { fileOf, type PullRecord } from "../../libs/domain/api/pulled.ts";
import type { Version } from "../../libs/domain/oneroster/enumerations.ts";
import { defaultPolicy, type Policy } from "../../libs/domain/policy.ts";
import { type Judged, judgeSet } from "../../libs/ingest/judge-set.ts";
import { RecordingSink } from "../ingest/recording-sink.ts";

/** Items by collection, each as JSON text. */
export type ItemTexts = Readonly<Partial<Record<Collection, readonly string[]>>>;

export type PagesOptions = {
  readonly version: Version;
  readonly items: ItemTexts;
  readonly metadata?: readonly string[];
  readonly perPage?: number;
};

/** The lines of a collection's file. */
export function pageLines(collection: Collection, items: readonly string[], perPage = 2): readonly string[] {
  const lines: string[] = [];
  for (let offset = 0; offset < Math.max(items.length, 1); offset += perPage) {
    const body = `{"${collection}":[${items.slice(offset, offset + perPage).join(",")}]}`;
    lines.push(`{"path":"${collection}?limit=${perPage}&offset=${offset}","body":${body}}\n`);
  }
  return lines;
}

export function pullOf({ version, items, metadata = [] }: PagesOptions): PullRecord {
  const present = collections.flatMap((name) => {
    const found = items[name];
    return found === undefined ? [] : [{ name, items: found.length, metadata }];
  });
  const seen = { orgs: [], scopes: null, revision: null, sessionsEnd: null };
  return { version, baseUrl: "https://sis.example", collections: present, missing: [], causes: [], seen };
}

export function setOfPages(options: PagesOptions): DeliveredSet {
  const pull = pullOf(options);
  const entries = pull.collections.map(({ name }) => {
    const text = pageLines(name, options.items[name] ?? [], options.perPage).join("");
    return {
      name: fileOf(name),
      bytes: Buffer.byteLength(text),
      // In pieces that end anywhere, also within a character.
      open: () => Promise.resolve(Readable.from(pieces(Buffer.from(text)), { objectMode: false })),
    };
  });
  return { entries, otherNames: [], notes: [], pull, close: () => undefined };
}

function pieces(bytes: Buffer): readonly Buffer[] {
  const size = 1_001;
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) => bytes.subarray(at * size, (at + 1) * size));
}

export async function judgePages(
  options: PagesOptions & { readonly policy?: Policy },
): Promise<Judged & { readonly sink: RecordingSink }> {
  const sink = new RecordingSink();
  const judged = await judgeSet({ set: setOfPages(options), policy: options.policy ?? defaultPolicy, sink });
  return { ...judged, sink };
}
