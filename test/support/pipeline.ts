// A district in a test: sets go in, outcomes and change lines come out, and what the log and the tables hold can be read
// back. Everything goes through what the commands use; only reading the log back is done here by itself.

import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { type ChangeLine, changesetRanges, changesOf } from "../../libs/cli/changes.ts";
import { type Outcome, outcomeOf, type PlanView, planView } from "../../libs/cli/outcome.ts";
import { decide } from "../../libs/cli/plans.ts";
import { withServices } from "../../libs/cli/services.ts";
import type { System } from "../../libs/cli/system.ts";
import { type DistrictId, parseSourceId } from "../../libs/domain/ids.ts";
import type { Policy } from "../../libs/domain/policy.ts";
import { deliver, reportName } from "../../libs/ingest/deliver.ts";
import type { Report } from "../../libs/ingest/report.ts";
import { type SampleOptions, type SampleReport, writeSample } from "../../libs/sample/sample.ts";
import { districtTopic } from "../../libs/topics.ts";
import { addDistrict, freshSystem, type TestSystem } from "./system.ts";
import type { Teardown } from "./teardown.ts";

export type Refused = { readonly delivery: string; readonly outcome: "refused"; readonly reason: string | null };

/** One record of a topic, its value decoded by the full schema. */
export type ReadRecord = {
  readonly offset: number;
  readonly key: string;
  readonly name: string;
  readonly value: unknown;
};

export class TestDistrict {
  readonly system: TestSystem;
  readonly id: DistrictId;
  #sets = 0;

  constructor(system: TestSystem, id: DistrictId) {
    this.system = system;
    this.id = id;
  }

  /** Another district on the same system. */
  async neighbour(id: string): Promise<TestDistrict> {
    return new TestDistrict(this.system, await addDistrict(this.system, id));
  }

  /** Writes a generated set into a folder of its own. */
  async sample(options: Omit<SampleOptions, "directory">): Promise<SampleReport> {
    return writeSample({ directory: this.folder(), ...options });
  }

  /** A new folder for a set. */
  folder(): string {
    const folder = join(this.system.folder, `set-${this.id}-${++this.#sets}`);
    mkdirSync(folder);
    return folder;
  }

  /** A copy of a set in which files are changed: text to text, null to remove a file's rows but its header. */
  edited(directory: string, edits: Readonly<Record<string, (text: string) => string>>): string {
    const folder = this.folder();
    cpSync(directory, folder, { recursive: true });
    for (const [file, edit] of Object.entries(edits)) {
      const path = join(folder, file);
      const text = readFileSync(path, "utf8");
      writeFileSync(path, edit(text));
    }
    return folder;
  }

  /** Delivers a set as `rollcall deliver` does, on the next day, and waits for its end. */
  async deliver(path: string): Promise<Outcome | Refused> {
    this.system.sleepDays(1);
    return withServices(this.system, async (signal) => {
      const { id: delivery, verdict } = await deliver(this.system, { district: this.id, source: files, path, signal });
      if (verdict.outcome === "refused") return { delivery, outcome: "refused", reason: verdict.refusal };
      return outcomeOf(this.system, { district: this.id, delivery });
    });
  }

  /** Decides as `rollcall approve` and `rollcall reject` do. */
  async decide(
    verdict: "approve" | "reject",
    version: number,
    options: { readonly types?: readonly string[]; readonly cause?: string } = {},
  ): ReturnType<typeof decide> {
    const { types = [], cause = null } = options;
    return withServices(this.system, () =>
      decide(this.system, this.id, { verdict, version, types, cause, by: "tester" }),
    );
  }

  async plan(version?: number): Promise<PlanView> {
    const plan = await planView(this.system, this.id, version);
    if (plan === null) throw new Error("there is no plan");
    return plan;
  }

  /** The changes of one changeset, or of the newest. */
  async changes(number?: number): Promise<readonly ChangeLine[]> {
    const ranges = await changesetRanges(this.system, { district: this.id, from: number ?? null });
    const [range] = ranges;
    if (range === undefined) throw new Error("there is no changeset");
    const lines: ChangeLine[] = [];
    for await (const line of changesOf(this.system, { district: this.id, range, values: false })) lines.push(line);
    return lines;
  }

  async report(delivery: string): Promise<Report> {
    const [row]: readonly { readonly id: Parameters<System["landing"]["document"]>[0] }[] = await this.system
      .sql("deliveries")
      .where({ id: delivery })
      .select("id");
    const text = row === undefined ? null : await this.system.landing.document(row.id, reportName);
    if (text === null) throw new Error(`there is no report of ${delivery}`);
    const report: Report = JSON.parse(text);
    return report;
  }

  /** Held, approved or rejected keys, sorted, as `state type sourcedId`. */
  async exceptions(): Promise<readonly string[]> {
    const rows: readonly { readonly state: string; readonly type: string; readonly sourced_id: string }[] =
      await this.system.sql("exceptions").where({ district: this.id }).select("state", "type", "sourced_id");
    return rows.map(({ state, type, sourced_id: id }) => `${state} ${type} ${id}`).toSorted();
  }

  /** Every record of the district's roster or entities, in the order of the log. */
  async records(kind: "roster" | "entities"): Promise<readonly ReadRecord[]> {
    return topicRecords(this.system, districtTopic(kind, this.id));
  }
}

const files = parseSourceId("files") ?? neverHappens();

function neverHappens(): never {
  throw new Error("files is a source id");
}

/** A district on a system of its own. */
export async function freshDistrict(t: Teardown, policy: Partial<Policy> = {}): Promise<TestDistrict> {
  const system = await freshSystem(t);
  return new TestDistrict(system, await addDistrict(system, "springfield", policy));
}

/** Every record of a topic, in the order of the log; a record without a value has the name "null". */
export async function topicRecords(system: System, topic: string): Promise<readonly ReadRecord[]> {
  const extent = await system.log.extent(topic);
  if (extent === null) return [];
  const records: ReadRecord[] = [];
  const range = { topic, generation: extent.generation, from: extent.start, to: extent.end };
  for await (const batch of system.log.scan(range)) {
    for (const { offset, key, value } of batch) {
      const decoded = value === null ? { name: "null", value: null } : system.codec.decode(Buffer.from(value));
      records.push({ offset, key: Buffer.from(key).toString(), ...decoded });
    }
  }
  return records;
}
