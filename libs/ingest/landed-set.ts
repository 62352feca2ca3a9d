// A set as it lies in landing: opening it again, and what is remembered of how its files were read.

import { createHash } from "node:crypto";

import { tables } from "../adapters/oneroster/rest-tables.ts";
import type { DeliveredSet, SetEntry } from "../adapters/oneroster/set-reader.ts";
import { collections } from "../domain/api/collections.ts";
import { fileOf } from "../domain/api/pulled.ts";
import type { ReadAs } from "../domain/landing-retention.ts";
import { AppError } from "../errors.ts";
import type { LandedFile, Landing } from "../ports.ts";
import type { Verdict } from "./verdict.ts";

type Landed = {
  readonly id: string;
  readonly files: readonly LandedFile[];
  readonly beside: Pick<DeliveredSet, "notes" | "otherNames" | "pull">;
  /** Files that landing need not keep any more. */
  readonly forgotten: readonly LandedFile[];
};

/** The set as it lies in landing, with what of it was not landed. */
export function landedSet(landing: Landing, row: Landed, extra: SetEntry | undefined): DeliveredSet {
  const entries = row.files.map(({ name, sha256, bytes }) => ({
    name,
    bytes,
    open: () => Promise.resolve(landing.open(sha256)),
  }));
  return { entries: extra === undefined ? entries : [...entries, extra], ...row.beside, close: () => undefined };
}

/** @throws AppError `delivery.unfillable` when landing no longer has the whole set: a part of it is another set. */
export function checkWhole({ id, forgotten }: Landed): void {
  if (forgotten.length === 0) return;
  const names = forgotten.map(({ name }) => name).join(", ");
  throw new AppError("delivery.unfillable", {
    message: `filling the range of ${id} again: its time in landing is over for ${names}`,
  });
}

/** One hash over names and contents of a set's files, whatever their order. */
export function setHash(files: readonly LandedFile[]): string {
  const lines = files.map(({ name, sha256 }) => `${name} ${sha256}\n`).toSorted();
  return createHash("sha256").update(lines.join("")).digest("hex");
}

/**
 * How the files of an accepted set were read. What is missing may be absent only where the file is whole: for one of which
 * several tables were made, all that have rows.
 */
export function readAs({ files, types }: Verdict): ReadAs {
  const read = files.flatMap(({ name, type, state }) => (type !== null && state === "read" ? [{ name, type }] : []));
  return Object.fromEntries(
    read.map(({ name, type }) => {
      const collection = collections.find((one) => fileOf(one) === name);
      const made = collection === undefined ? [] : tables[collection].filter((one) => types[one].mode !== "absent");
      return [name, [type, ...made].every((one) => types[one].absence) ? "whole" : "part"];
    }),
  );
}
