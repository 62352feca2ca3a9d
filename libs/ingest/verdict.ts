// What is concluded from a set: whether it is accepted, and per entity type what a difference may rest on.
// It keeps true that every row is accounted for: rows = entities + deletes + rejects + repeats, for each read file.

import type { Finding, FindingCode } from "../domain/finding.ts";
import type { FileMode } from "../domain/manifest.ts";
import type { EntityType } from "../domain/oneroster/entity-types.ts";
import type { Version } from "../domain/oneroster/enumerations.ts";

export type TypeVerdict = {
  /** How the type was delivered; decided, also where the manifest left it open. */
  readonly mode: FileMode;
  /** Data rows of the file. */
  readonly rows: number;
  /** Rows sent on as content and not overridden by a later row of the same key. */
  readonly entities: number;
  readonly deletes: number;
  /** Rows refused, whether their key could be read or not. */
  readonly rejects: number;
  /** Rows that repeat an earlier one exactly. */
  readonly repeats: number;
  /** Keys of refused rows: their entities stay as published. */
  readonly claimed: number;
  /** A refused row without a readable key, or an unreadable stretch: what is missing may stand there. */
  readonly suspended: boolean;
  /** The file was there and read from its header to its end. */
  readonly complete: boolean;
  /** Whether what is missing may be taken as absent: complete, not empty, bulk, not suspended. */
  readonly absence: boolean;
  /** The entities come from another type's rows: roles of 1.1, from users. */
  readonly derived: boolean;
  /** The rows were checked and kept back, as the district's policy has it (demographics). */
  readonly withheld: boolean;
};

export type FileVerdict = {
  readonly name: string;
  /** As delivered, uncompressed. */
  readonly bytes: number;
  /** Of those bytes; null for a file that is left alone and so not read. */
  readonly sha256: string | null;
  readonly type: EntityType | null;
  readonly state: "read" | "empty" | "unreadable" | "left-alone";
};

/** How often something was found in one column of one file, with the first places. */
export type FindingGroup = {
  readonly code: FindingCode;
  readonly severity: Finding["severity"];
  readonly file: string | null;
  readonly field: string | null;
  readonly count: number;
};

export type Verdict = {
  readonly outcome: "accepted" | "refused";
  /** One sentence when refused, else null. */
  readonly refusal: string | null;
  readonly version: Version | null;
  readonly manifest: boolean;
  readonly types: Readonly<Record<EntityType, TypeVerdict>>;
  readonly files: readonly FileVerdict[];
  /** How often each irregularity was accepted all the same, by code. */
  readonly tolerated: Readonly<Record<string, number>>;
  /** References that this set alone cannot judge: in a delta file, or to a file that is not in the set or not whole. */
  readonly unjudgedReferences: number;
  readonly findings: readonly FindingGroup[];
};
