// The folder in which a district finds what it is told. It keeps true that a report is there whole or not at all, that
// the same report written twice is one, and that only the newest stay.

import { mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";

import { AppError } from "../../libs/errors.ts";

const kept = 30;
const datedForm = /^\d{4}-\d\d-\d\dT\d{6}-/u;

/** What is written: the text and the JSON beside it. */
export type WrittenReport = { readonly text: string; readonly json: unknown };

/** Writes a report under a name without extension, in place of one of the same name. @throws AppError `report.io`. */
export async function writeReport(folder: string, name: string, { text, json }: WrittenReport): Promise<void> {
  await failing(async () => {
    await mkdir(folder, { recursive: true });
    await writeWhole(folder, `${name}.txt`, text);
    await writeWhole(folder, `${name}.json`, `${JSON.stringify(json, null, 2)}\n`);
    const dated = (await readdir(folder)).filter((each) => datedForm.test(each)).toSorted();
    // Each report is two files.
    for (const old of dated.slice(0, -2 * kept)) await rm(join(folder, old), { force: true });
  });
}

/** Removes a report; one that is not there is removed already. @throws AppError `report.io`. */
export async function removeReport(folder: string, name: string): Promise<void> {
  await failing(async () => {
    for (const extension of ["txt", "json"]) await rm(join(folder, `${name}.${extension}`), { force: true });
  });
}

/** A name that sorts by the time, in the district's own zone. */
export function datedName(at: Date, timeZone: string, rest: string): string {
  const parts = new Intl.DateTimeFormat("en-CA", {
    timeZone,
    hourCycle: "h23",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
  }).formatToParts(at);
  const part = (type: string): string => parts.find((each) => each.type === type)?.value ?? "";
  return `${part("year")}-${part("month")}-${part("day")}T${part("hour")}${part("minute")}${part("second")}-${rest}`;
}

async function writeWhole(folder: string, name: string, text: string): Promise<void> {
  const passing = join(folder, `.${name}.part`);
  const file = await open(passing, "w", 0o644);
  try {
    await file.writeFile(text);
    await file.datasync();
  } finally {
    await file.close();
  }
  await rename(passing, join(folder, name));
}

async function failing(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (cause) {
    throw new AppError("report.io", { cause });
  }
}
