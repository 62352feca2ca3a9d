// Judges a delivered set: reads every file once, in dependency order, and concludes what a difference may rest on.
// It keeps true: the same set gives the same verdict wherever it is judged; whatever a set holds, judging ends in a
// verdict; what is refused whole is refused with one sentence. Memory: see type-state.ts.

import { defaultScanLimits, type ScanLimits } from "../adapters/oneroster/record-scanner.ts";
import { CsvReading } from "../adapters/oneroster/csv.ts";
import { typesOf } from "../adapters/oneroster/rest-tables.ts";
import type { DeliveredSet, SetEntry } from "../adapters/oneroster/set-reader.ts";
import { fileOf, type PullRecord } from "../domain/api/pulled.ts";
import {
  type Headers,
  otherFormat,
  otherFormatByColumns,
  takenFiles,
  type Taken,
  versionByColumns,
} from "../domain/delivery.ts";
import { type Manifest, type ManifestRow, parseManifest } from "../domain/manifest.ts";
import { descriptionOf, entityFiles, knownFile } from "../domain/oneroster/entities.ts";
import { type EntityType } from "../domain/oneroster/entity-types.ts";
import type { Version } from "../domain/oneroster/enumerations.ts";
import type { Policy } from "../domain/policy.ts";
import { AppError } from "../errors.ts";
import { FindingLog, type KeptGroup } from "./finding-log.ts";
import type { SetSink } from "./judge-file.ts";
import { SetJudge, tellSummary } from "./set-judge.ts";
import { noTypes, typesWith } from "./type-verdicts.ts";
import type { FileVerdict, Verdict } from "./verdict.ts";

export type JudgeOptions = {
  readonly set: DeliveredSet;
  readonly policy: Policy;
  readonly sink: SetSink;
  /** Files that were delivered with the set and were not kept: they are not missing, and cannot be judged again. */
  readonly notKept?: readonly NotKept[];
  /** How many findings of each code, file and field are kept; all are counted. Default 1,000. */
  readonly keep?: number;
  readonly limits?: ScanLimits;
};

export type NotKept = { readonly name: string; readonly bytes: number };

export type Judged = { readonly verdict: Verdict; readonly groups: readonly KeptGroup[] };

const manifestName = "manifest.csv";
/** A manifest has two dozen rows; one of megabytes is something else. */
const manifestBytesMost = 1_000_000;

/** A set that is refused before or while its rows are read. */
class Refusal {
  readonly sentence: string;
  constructor(sentence: string) {
    this.sentence = sentence;
  }
}

/**
 * Judges the set and sends what its rows say to the sink. What was sent counts only if the verdict accepts.
 * @throws what the sink throws, and errors of reading that are not the set's fault.
 */
export async function judgeSet(options: JudgeOptions): Promise<Judged> {
  const log = new FindingLog(options.keep ?? 1_000);
  noteSet(options.set, log);
  for (const { name } of options.notKept ?? []) {
    log.ofFile(name).add("pkg.left_alone", null, null, {
      message: "The file was delivered, and kept back by the district's policy: this reading has no copy to check.",
    });
  }
  try {
    const opened = await openFiles(options, log);
    if (opened instanceof Refusal) return refused(opened.sentence, log, options.set, null);
    return await judgeFiles(options, opened, log);
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== "set.unreadable") throw error;
    log.ofFile(null).add("zip.archive", null);
    return refused(`The set cannot be read whole: ${error.message}.`, log, options.set, log.version);
  }
}

function refused(refusal: string, log: FindingLog, set: DeliveredSet, version: Version | null): Judged {
  const files = set.entries.map(({ name, bytes }): FileVerdict => ({
    name,
    bytes,
    sha256: null,
    type: null,
    state: "unreadable",
  }));
  return judged({ log, refusal, version, manifest: false, types: noTypes(), files, unjudgedReferences: 0 });
}

function judged(
  from: Pick<Verdict, "refusal" | "version" | "manifest" | "types" | "files" | "unjudgedReferences"> & {
    readonly log: FindingLog;
  },
): Judged {
  const { log, refusal, ...rest } = from;
  const groups = log.groups();
  const findings = groups.map(({ code, severity, file, field, count }) => ({ code, severity, file, field, count }));
  const outcome = refusal === null ? "accepted" : "refused";
  return { verdict: { outcome, refusal, ...rest, tolerated: log.tolerated(), findings }, groups };
}

/** Tells of everything beside the files of the standard. */
function noteSet(set: DeliveredSet, log: FindingLog): void {
  for (const note of set.notes) {
    if (note.code === "pkg.litter") log.ofFile(null).add("pkg.litter", null);
    else if (note.code === "zip.root") log.ofFile(note.file).add("zip.folder", null);
    else if (note.suggestion === null) log.ofFile(note.file).add("pkg.unknown_file", null);
    else {
      log.ofFile(note.file).add("pkg.unknown_file", null, null, {
        message: `The file is not read: its name is not one of the standard's. Did you mean ${note.suggestion}?`,
        remedy: `If it is that file, name it ${note.suggestion}, exactly so.`,
      });
    }
  }
}

type Opened = {
  readonly version: Version;
  readonly manifest: Manifest | null;
  readonly taken: ReadonlyMap<string, Taken>;
};

/** Settles version and modes, or refuses. */
async function openFiles({ set, policy, notKept = [] }: JudgeOptions, log: FindingLog): Promise<Opened | Refusal> {
  if (set.pull !== undefined) return openPulled(set, set.pull, log);
  const entries = set.entries.filter((entry) => entry.name !== manifestName);
  const headers = await headersOf(entries);
  const names = [...set.entries.map((entry) => entry.name), ...set.otherNames];
  const other = otherFormat(names) ?? otherFormatByColumns(headers);
  const manifestEntry = set.entries.find((entry) => entry.name === manifestName);
  if (other !== null || (entries.length === 0 && manifestEntry === undefined)) {
    log.ofFile(null).add("pkg.not_oneroster", null);
    return new Refusal(other ?? "The set has none of the files of OneRoster 1.1 or 1.2 under their exact names.");
  }
  const manifest = manifestEntry === undefined ? null : await readManifest(manifestEntry, log);
  if (manifest instanceof Refusal) return manifest;
  if (manifest === null) log.ofFile(null).add("pkg.manifest_missing", null);
  const version = manifest?.version ?? versionOfFiles(headers, log);
  if (version instanceof Refusal) return version;
  if (manifest === null && !policy.manifestOptional) {
    return new Refusal("The set has no manifest.csv, and the district's policy demands one.");
  }
  if (manifest === null && hasMisnamedManifest(set)) {
    return new Refusal(
      "The set has no manifest.csv, but a file whose name comes near: name it manifest.csv, exactly so.",
    );
  }
  log.version = version;
  const present = new Set([...entries, ...notKept].map((entry) => baseName(entry)));
  const { taken, findings } = takenFiles({ manifest, version, present });
  for (const made of findings) log.take(made);
  return { version, manifest, taken };
}

/** A pull was whole, or there would be none: each of its collections is all that there is. */
function openPulled({ entries }: DeliveredSet, pull: PullRecord, log: FindingLog): Opened {
  log.version = pull.version;
  log.binding = "rest";
  const tables = entries.flatMap((entry) => tablesOf(entry, pull));
  const taken = new Map<string, Taken>(tables.map((type) => [descriptionOf(type).file[pull.version] ?? "", "bulk"]));
  return { version: pull.version, manifest: null, taken };
}

/** What the rows of an entry are, in dependency order. */
function tablesOf({ name }: SetEntry, pull: PullRecord): readonly EntityType[] {
  const pulled = pull.collections.find((collection) => fileOf(collection.name) === name);
  return pulled === undefined ? [] : typesOf(pulled.name, pull);
}

/** A delta whose manifest is not read would be taken for everything: all that it does not name would be deleted. */
function hasMisnamedManifest({ notes }: DeliveredSet): boolean {
  return notes.some((note) => note.code === "pkg.unknown_file" && note.suggestion === manifestName);
}

async function readManifest(entry: SetEntry, log: FindingLog): Promise<Manifest | Refusal> {
  if (entry.bytes > manifestBytesMost) return new Refusal("manifest.csv is larger than a manifest can be.");
  const rows: ManifestRow[] = [];
  const reading = new CsvReading(await entry.open());
  for await (const batch of reading.batches()) {
    for (const row of batch) rows.push({ line: row.line, cells: row.fault === null ? row.cells : null });
  }
  const result = parseManifest(rows);
  for (const made of result.findings) log.take(made);
  tellSummary(reading.summary(), log.ofFile(manifestName));
  if (result.outcome !== "refused") return result;
  const shape = reading.shape();
  if (shape === null) return new Refusal(result.refusal);
  log.ofFile(manifestName).add(shape.code, 1);
  return new Refusal(`${manifestName} ${shape.clause}.`);
}

async function headersOf(entries: readonly SetEntry[]): Promise<Headers> {
  const headers = new Map<string, readonly string[]>();
  for (const entry of entries) headers.set(baseName(entry), await readHeader(entry));
  return headers;
}

function versionOfFiles(headers: Headers, log: FindingLog): Version | Refusal {
  const result = versionByColumns(headers);
  if (result.outcome === "version") return result.version;
  log.ofFile(null).add("pkg.not_oneroster", null);
  return new Refusal(result.refusal);
}

async function readHeader(entry: SetEntry): Promise<readonly string[]> {
  const source = await entry.open();
  try {
    for await (const batch of new CsvReading(source, defaultScanLimits).batches()) return batch[0]?.cells ?? [];
    return [];
  } finally {
    source.destroy();
  }
}

function baseName(entry: { readonly name: string }): string {
  return entry.name.slice(0, -".csv".length);
}

async function judgeFiles(options: JudgeOptions, opened: Opened, log: FindingLog): Promise<Judged> {
  const { set } = options;
  const { version, manifest, taken } = opened;
  const pull = set.pull ?? null;
  const judge = new SetJudge({ ...options, version, log, taken, pull, limits: options.limits ?? defaultScanLimits });
  const files: FileVerdict[] = [];
  for (const { name, type } of entityFiles(version)) {
    const has = (entry: SetEntry): boolean =>
      pull === null ? entry.name === `${name}.csv` : tablesOf(entry, pull).includes(type);
    const entry = set.entries.find(has);
    if (entry === undefined || taken.get(name) === "absent") continue;
    const file = await judge.judge(entry, type);
    // A file of which several tables are made counts once, as what it is first of all.
    if (!files.some((other) => other.name === file.name)) files.push(file);
  }
  for (const entry of set.entries) {
    if (files.some((file) => file.name === entry.name)) continue;
    const known = knownFile(baseName(entry), version);
    if (known?.outcome === "leftAlone") log.ofFile(entry.name).add("pkg.left_alone", null);
    if (known === null && entry.name !== manifestName) log.ofFile(entry.name).add("pkg.unknown_file", null);
    files.push({ name: entry.name, bytes: entry.bytes, sha256: null, type: null, state: "left-alone" });
  }
  for (const { name, bytes } of options.notKept ?? [])
    files.push({ name, bytes, sha256: null, type: null, state: "left-alone" });
  judge.finish();
  const types = judge.types();
  const refusal = refusalOf(judge, options, log, types);
  return judged({
    log,
    refusal,
    version,
    manifest: manifest !== null,
    // A set that is refused says nothing about what is missing, whoever may read its verdict.
    types: refusal === null ? types : typesWith((type) => ({ ...types[type], absence: false })),
    files,
    unjudgedReferences: judge.unjudgedReferences,
  });
}

function refusalOf(
  judge: SetJudge,
  { policy, set }: JudgeOptions,
  log: FindingLog,
  types: Verdict["types"],
): string | null {
  if (judge.refusals.length > 0) return judge.refusals[0] ?? null;
  const given = Object.values(types).filter((type) => !type.derived);
  // Rows that are kept back say nothing: a later reading of the set no longer has them, and must conclude the same.
  const own = given.filter((type) => !type.withheld);
  if (own.every((type) => type.entities + type.deletes === 0)) {
    // However few rows it has: a set that says nothing changes nothing, and who sent it should know.
    if (judge.shape !== null) return `No row of the set can be read: ${judge.shape}.`;
    const rows = own.reduce((sum, type) => sum + type.rows, 0);
    if (rows > 0) return `No row of the set can be used: all ${rows} are refused.`;
    if (given.some((type) => type.rows > 0)) return "The district's policy keeps back all rows of the set.";
    log.ofFile(null).add("pkg.empty", null);
    return "The set has no row at all.";
  }
  if (policy.features.autoRegistration === "off") return null;
  const needed: readonly EntityType[] = ["org", "course"];
  const empty = needed.find((type) => judge.isHeaderOnly(type));
  if (empty === undefined) return null;
  const file = set.pull === undefined ? `${empty}s.csv` : `${empty}s.jsonl`;
  return `${file} has no row, and the district's automatic registration needs it.`;
}
