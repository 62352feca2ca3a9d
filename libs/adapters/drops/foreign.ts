// Work on a folder that others fill, which may lie on a disk of the network.
// It keeps true that no link within the folder is followed: whoever fills it may not reach what else this process may; and
// that a disk which does not answer keeps waiting nobody else, and has one question of ours at a time.

import { constants } from "node:fs";
import { type FileHandle, lstat, open } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { AppError } from "../../errors.ts";
import type { Source } from "../postgres/sources.ts";
import { rootOf } from "./contents.ts";
import { refusalOf } from "./place.ts";
import { identityOf, watchedIdentityOf } from "./rows.ts";

/** How long a disk may take for one question. */
const defaultLimitMs = 20_000;

/** What was asked and is not answered yet, by folder. A question that is given up goes on and holds a thread. */
const asked = new Map<string, Promise<unknown>>();

/**
 * One question to a disk.
 * @throws what the work throws; AppError `source.folder` when no answer came in time, or an earlier one still lacks.
 */
export async function answered<T>(
  folder: string,
  work: () => Promise<T>,
  limitMs: number = defaultLimitMs,
): Promise<T> {
  const silent = (): AppError =>
    new AppError("source.folder", { message: "looking into the folder of a source, whose disk does not answer" });
  if (asked.has(folder)) throw silent();
  const done = new AbortController();
  const { signal } = done;
  const limit = sleep(limitMs, null, { signal }).catch(() => null);
  const answer = work().then((value) => ({ value }));
  try {
    const first = await Promise.race([answer, limit]);
    if (first !== null) return first.value;
  } finally {
    done.abort();
  }
  const forget = (): boolean => asked.delete(folder);
  asked.set(folder, answer.then(forget, forget));
  throw silent();
}

/**
 * A folder below the root of a source, or the root itself.
 * @throws AppError `source.folder` when a part of the path is a link or no folder; what the disk throws.
 */
export async function folderWithin(root: string, path: string): Promise<string> {
  let place = root;
  for (const part of path.split("/").filter((each) => each !== "")) {
    place = join(place, part);
    if (!(await lstat(place)).isDirectory())
      throw new AppError("source.folder", {
        message: "looking into the folder of a source, whose path leads over a link or a file",
      });
  }
  return place;
}

/** Where a file of a source lies. @throws as {@link folderWithin}. */
export async function placeWithin(root: string, source: Source, path: string): Promise<string> {
  const end = path.lastIndexOf("/");
  return join(await folderWithin(rootOf(root, source), path.slice(0, end)), path.slice(end + 1));
}

/** Opens a file of a source to read it. @throws as {@link placeWithin}, and when it is a link. */
export async function openWithin(root: string, source: Source, path: string): Promise<FileHandle> {
  const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;
  return open(await placeWithin(root, source, path), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
}

/** Tells the file from others; null when there is none. @throws as {@link placeWithin}. */
export async function identityWithin(root: string, source: Source, path: string): Promise<string | null> {
  const look = async (): Promise<string | null> => {
    try {
      const found = await lstat(await placeWithin(root, source, path), { bigint: true });
      if (!found.isFile()) return null;
      return source.kind === "folder" ? watchedIdentityOf(found) : identityOf(found);
    } catch (error) {
      if (refusalOf(error).code === "missing") return null;
      throw error;
    }
  };
  return source.kind === "folder" ? answered(rootOf(root, source), look) : look();
}
