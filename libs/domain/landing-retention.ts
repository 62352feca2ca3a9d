// What landing must keep of a source's deliveries.
// It keeps true: of each file the last accepted whole and every part since stay, however old, with their manifest; a
// delivery that something still names stays whole, and so does the newest accepted one; the rest stays for its time.

/** `whole`: the file took the place of all before it, nothing of it was in doubt. `part`: it adds to what was there. */
export type ReadAs = Readonly<Record<string, "whole" | "part">>;

export type StoredDelivery<Id> = {
  readonly id: Id;
  /** Its place among the deliveries of its source. */
  readonly sequence: number;
  readonly state: "received" | "accepted" | "refused";
  readonly receivedAt: number;
  /** Whether a plan, a held exception, an unfinished changeset or a request names it, or it was not planned yet. */
  readonly isNamed: boolean;
  /** Names of its files that are still in landing. */
  readonly files: readonly string[];
  /** How its files were read; null: not known, so that each may be a part. */
  readonly readAs: ReadAs | null;
};

export type Forgettable<Id> = {
  readonly id: Id;
  readonly files: readonly string[];
  /** Whether its documents, such as its report, may go too. */
  readonly documents: boolean;
};

export type Retention = { readonly now: number; readonly filesMs: number; readonly documentsMs: number };

const manifest = "manifest.csv";

/**
 * What may be forgotten of all deliveries of one source, given in any order.
 * Those of whose files none is left need not be given: no later delivery builds on them.
 */
export function forgettable<Id>(
  deliveries: readonly StoredDelivery<Id>[],
  { now, filesMs, documentsMs }: Retention,
): readonly Forgettable<Id>[] {
  const found: Forgettable<Id>[] = [];
  const replaced = new Set<string>();
  let isNewest = true;
  for (const delivery of deliveries.toSorted((a, b) => b.sequence - a.sequence)) {
    const { id, state, receivedAt, isNamed, files } = delivery;
    const isAccepted = state === "accepted";
    const isWhole = state === "received" || isNamed || (isAccepted && isNewest);
    const needed = isWhole ? new Set(files) : neededOf(delivery, replaced);
    const old = receivedAt < now - filesMs ? files.filter((name) => !needed.has(name)) : [];
    const documents = !isWhole && receivedAt < now - documentsMs;
    if (old.length > 0 || documents) found.push({ id, files: old, documents });
    if (!isAccepted) continue;
    isNewest = false;
    for (const [name, how] of Object.entries(delivery.readAs ?? {})) if (how === "whole") replaced.add(name);
  }
  return found;
}

/** Those of its files on which the present state of the source rests, given what newer deliveries replaced. */
function neededOf<Id>(
  { state, files, readAs }: StoredDelivery<Id>,
  replaced: ReadonlySet<string>,
): ReadonlySet<string> {
  if (state !== "accepted") return new Set();
  const isRead = (name: string): boolean => name !== manifest && (readAs === null || readAs[name] !== undefined);
  const needed = new Set(files.filter((name) => isRead(name) && !replaced.has(name)));
  // It says how the others are to be read.
  if (needed.size > 0) needed.add(manifest);
  return needed;
}
