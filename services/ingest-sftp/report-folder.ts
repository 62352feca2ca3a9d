// The folder in which a district finds what it is told. It keeps true that a report is there whole or not at all, that
// the same report written twice is one, and that only the newest stay; and that no link is followed: beside a folder that
// another server fills, whoever fills it chooses what lies there.

import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { lstat, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";

import { AppError } from "../../libs/errors.ts";

const kept = 30;
/** What a crash may leave. */
const passingForm = /^\.rollcall-[0-9a-f-]{36}\.part$/u;
const datedForm = /^\d{4}-\d\d-\d\dT\d{6}-/u;

/** What is written: the text and the JSON beside it. */
export type WrittenReport = { readonly text: string; readonly json: unknown };

/** Writes a report under a name without extension, in place of one of the same name. @throws AppError `report.io`. */
export async function writeReport(folder: string, name: string, { text, json }: WrittenReport): Promise<void> {
  await failing(async () => {
    await mkdir(folder, { recursive: true });
    await mustBeFolder(folder);
    for (const name of await readdir(folder)) if (passingForm.test(name)) await rm(join(folder, name), { force: true });
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
    if (!(await mustBeFolder(folder))) return;
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
  const passing = join(folder, `.rollcall-${randomUUID()}.part`);
  const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
  const file = await open(passing, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o644);
  try {
    await file.writeFile(text);
    await file.datasync();
  } finally {
    await file.close();
  }
  await rename(passing, join(folder, name));
}

/** @returns whether there is anything. @throws Error when it is a link or a file. */
async function mustBeFolder(folder: string): Promise<boolean> {
  const found = await lstat(folder).catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  });
  if (found !== null && !found.isDirectory()) throw new Error("the place of the reports is no folder");
  return found !== null;
}

async function failing(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (cause) {
    throw new AppError("report.io", { cause });
  }
}
