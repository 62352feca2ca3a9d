// The files of one source, for one session: a real folder, whose rows say which of its files are whole.
// It keeps true that folder and rows change together under the source's lock; that a session sees nothing but its own
// folder and the reports to it, which it may only read; and that a session makes no link and follows none.

import { closeSync, constants, lstatSync, lutimesSync, openSync, readdirSync, rmdirSync, unlinkSync } from "node:fs";
import { copyFile, mkdir, rename } from "node:fs/promises";
import { randomUUID } from "node:crypto";
import { basename, dirname, join } from "node:path";
import type { Knex } from "knex";

import { auditSftp } from "../sftp/audit.ts";
import {
  type AuditEvent,
  type DistrictFiles,
  type Download,
  type FileAbout,
  FileRefusal,
  type Upload,
  type WriteFlags,
} from "../sftp/district-files.ts";
import type { Drops } from "./drops.ts";
import {
  defaultDropLimits,
  isReports,
  makeFolder,
  pathWithin,
  type Place,
  placeOf,
  refusalOf,
  reportsPath,
  type SourceKey,
  statOf,
} from "./place.ts";
import { syncFolder } from "../sync-folder.ts";
import { whereSource } from "./rows.ts";
import { DropUpload, readAt, type UploadGuard } from "./upload.ts";

const { O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR } = constants;

export class DropFiles implements DistrictFiles {
  readonly #drops: Drops;
  readonly #key: SourceKey;
  readonly #address: string;
  readonly #place: Place;

  constructor(drops: Drops, key: SourceKey, address: string) {
    this.#drops = drops;
    this.#key = key;
    this.#address = address;
    this.#place = placeOf(drops.root, key);
  }

  about(path: string): Promise<FileAbout> {
    return refusing(() => {
      // They are there for the client before the first file is.
      if (path === "/" || path === reportsPath) return folderAbout(basename(path), path === "/");
      return aboutOf(this.#existing(path), !isReports(path));
    });
  }

  list(path: string): Promise<readonly FileAbout[]> {
    return refusing(() => {
      const isRoot = path === "/";
      const folder = isRoot || path === reportsPath ? this.#locate(path) : this.#existing(path);
      if (statOf(folder) === undefined) return isRoot ? [folderAbout(basename(reportsPath), false)] : [];
      const names = readdirSync(folder);
      const found = names.flatMap((name) => {
        const stats = statOf(join(folder, name));
        return stats?.isFile() || stats?.isDirectory() ? [aboutOf(join(folder, name), !isReports(path))] : [];
      });
      return isRoot ? [...found, folderAbout(basename(reportsPath), false)] : found;
    });
  }

  openRead(path: string): Promise<Download> {
    return refusing(() => {
      const place = this.#existing(path);
      if (lstatSync(place).isDirectory()) throw new FileRefusal("is-folder", "it is a folder");
      const descriptor = openSync(place, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
      let isOpen = true;
      return {
        about: () => aboutOf(place, !isReports(path)),
        read: (offset, length) => readAt(descriptor, offset, length),
        close: () => {
          if (isOpen) closeSync(descriptor);
          isOpen = false;
        },
      };
    });
  }

  async openWrite(path: string, flags: WriteFlags): Promise<Upload> {
    const begun: DropUpload[] = [];
    let isNew = true;
    try {
      const upload = await this.#locked(async (trx) => {
        const place = this.#changeable(path);
        isNew = await this.#mayBegin(trx, { path, place, flags });
        await this.#drops.claim(trx, this.#key, path);
        if (!flags.truncate) await this.#leaveToOthers(trx, path, place);
        const opened = this.#begin(path, openSync(place, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CREAT, 0o600));
        begun.push(opened);
        await this.#rowOpened(trx, path, opened.bytes);
        await this.#drops.count(trx, this.#key);
        return opened;
      });
      // Not before it is known that the file is open: a closed one is what it was when it was closed.
      if (flags.truncate && !isNew) upload.startOver();
      return upload;
    } catch (error) {
      for (const upload of begun) await upload.abandon();
      throw refusalOf(error);
    }
  }

  /** A process that seems gone may only have slept: what it has open is left to it, and a copy goes on. */
  async #leaveToOthers(trx: Knex.Transaction, path: string, place: string): Promise<void> {
    const row: unknown = await trx("drop_files")
      .where({ ...whereSource(this.#key), path, state: "torn" })
      .whereNotNull("holder")
      .whereNot({ holder: this.#drops.holder })
      .first("path");
    if (row === undefined || statOf(place)?.isFile() !== true) return;
    // What is left of a copy there is cleared away.
    const copy = join(this.#place.sets, `${randomUUID()}.copy`);
    await makeFolder(this.#place.sets);
    await copyFile(place, copy, constants.COPYFILE_FICLONE);
    await rename(copy, place);
  }

  /** @returns whether there is no file yet. */
  async #mayBegin(
    trx: Knex.Transaction,
    { path, place, flags }: { readonly path: string; readonly place: string; readonly flags: WriteFlags },
  ): Promise<boolean> {
    const found = statOf(place);
    if (found === undefined) {
      if (!flags.create) throw new FileRefusal("missing", "there is no such file");
      const [counted]: readonly { readonly count: number }[] = await trx("drop_files")
        .where(whereSource(this.#key))
        .whereNot({ path })
        .count("* as count");
      if ((counted?.count ?? 0) >= defaultDropLimits.files) throw new FileRefusal("full", "there are too many files");
      return true;
    }
    if (found.isDirectory()) throw new FileRefusal("is-folder", "it is a folder");
    if (!found.isFile()) throw new FileRefusal("forbidden", "it is no file");
    if (flags.create && flags.exclusive) throw new FileRefusal("exists", "the file exists already");
    return false;
  }

  #begin(path: string, descriptor: number): DropUpload {
    const { sql, holder } = this.#drops;
    const guard: UploadGuard = {
      mayWrite: (about) => this.#drops.mayWrite(this.#key, about),
      locked: (work) => this.#drops.locked(this.#key, work),
      ended: (upload) => this.#drops.ended(this.#key, path, upload),
    };
    const about = { sql, holder, key: this.#key, address: this.#address };
    const upload = new DropUpload({ ...about, path, place: this.#locate(path), descriptor, guard });
    this.#drops.began({ key: this.#key, path, upload });
    return upload;
  }

  async #rowOpened(trx: Knex.Transaction, path: string, bytes: number): Promise<void> {
    const since = trx.raw("clock_timestamp()");
    const state = { state: "open", holder: this.#drops.holder, identity: null, bytes, still_since: since };
    await trx("drop_files")
      .insert({ ...whereSource(this.#key), path, ...state })
      .onConflict(["district", "source", "path"])
      .merge(state);
  }

  rename({ from, to, overwrite }: Parameters<DistrictFiles["rename"]>[0]): Promise<void> {
    return this.#locked(async (trx) => {
      const [old, place] = [this.#changeable(from), this.#changeable(to)];
      const found = statOf(old);
      if (found === undefined) throw new FileRefusal("missing", "there is no such file");
      if (old === place) return;
      if (this.#drops.isWriting(this.#key, from)) throw new FileRefusal("busy", "the file is being written");
      await this.#drops.claim(trx, this.#key, from);
      const target = statOf(place);
      if (target !== undefined && (!overwrite || target.isDirectory() || found.isDirectory()))
        throw new FileRefusal("exists", "there is a file or folder of that name");
      if (found.isDirectory()) await this.#renameFolder(trx, { from, to });
      else await this.#renameFile(trx, { from, to });
      await this.#audit(trx, { event: "rename", path: to, formerPath: from });
      await rename(old, place);
      for (const folder of new Set([dirname(place), dirname(old)])) await syncFolder(folder);
    });
  }

  async #renameFile(
    trx: Knex.Transaction,
    { from, to }: { readonly from: string; readonly to: string },
  ): Promise<void> {
    await this.#drops.claim(trx, this.#key, to);
    await trx("drop_files")
      .where({ ...whereSource(this.#key), path: to })
      .delete();
    await trx("drop_files")
      .where({ ...whereSource(this.#key), path: from })
      .update({ path: to, still_since: trx.raw("clock_timestamp()") });
  }

  async #renameFolder(
    trx: Knex.Transaction,
    { from, to }: { readonly from: string; readonly to: string },
  ): Promise<void> {
    if (`${to}/`.startsWith(`${from}/`)) throw new FileRefusal("forbidden", "a folder cannot lie within itself");
    const within = trx("drop_files")
      .where(whereSource(this.#key))
      .whereRaw("starts_with(path, ?)", [`${from}/`]);
    const open: unknown = await within.clone().where({ state: "open" }).first("path");
    if (open !== undefined) throw new FileRefusal("busy", "a file of the folder is being written");
    await within.update({
      path: trx.raw("? || substr(path, length(?) + 1)", [to, from]),
      still_since: trx.raw("clock_timestamp()"),
    });
  }

  remove(path: string): Promise<void> {
    return this.#locked(async (trx) => {
      const place = this.#changeable(path);
      const found = statOf(place);
      if (found === undefined) throw new FileRefusal("missing", "there is no such file");
      if (found.isDirectory()) throw new FileRefusal("is-folder", "it is a folder");
      await this.#drops.claim(trx, this.#key, path);
      await trx("drop_files")
        .where({ ...whereSource(this.#key), path })
        .delete();
      await this.#audit(trx, { event: "delete", path });
      unlinkSync(place);
    });
  }

  makeFolder(path: string): Promise<void> {
    return this.#locked(async () => {
      const place = this.#changeable(path);
      const all = readdirSync(this.#place.files, { recursive: true, withFileTypes: true });
      if (all.filter((entry) => entry.isDirectory()).length >= defaultDropLimits.folders)
        throw new FileRefusal("full", "there are too many folders");
      await mkdir(place, { mode: 0o700 });
      await syncFolder(dirname(place));
    });
  }

  removeFolder(path: string): Promise<void> {
    return this.#locked(async () => {
      rmdirSync(this.#changeable(path));
      await Promise.resolve();
    });
  }

  touch(path: string, modifiedAt: number): Promise<void> {
    return refusing(() => {
      if (path === "/" || isReports(path)) throw new FileRefusal("forbidden", "this folder may only be read");
      const time = new Date(modifiedAt);
      lutimesSync(this.#existing(path), time, time);
    });
  }

  async #audit(trx: Knex.Transaction, event: Pick<AuditEvent, "event" | "path" | "formerPath">): Promise<void> {
    await auditSftp(trx, { ...event, account: { ...this.#key, addresses: [] }, address: this.#address });
  }

  #locate(path: string): string {
    if (path === reportsPath) return this.#place.reports;
    const isReport = isReports(path);
    const within = isReport ? path.slice(reportsPath.length) : path;
    return pathWithin(isReport ? this.#place.reports : this.#place.files, within);
  }

  /** @throws FileRefusal `missing`. What is neither file nor folder is not there for a client. */
  #existing(path: string): string {
    const place = this.#locate(path);
    const found = statOf(place);
    if (found?.isFile() || found?.isDirectory()) return place;
    throw new FileRefusal("missing", "there is no such file or folder");
  }

  /** @throws FileRefusal `forbidden` for the root and the reports. */
  #changeable(path: string): string {
    if (path === "/" || isReports(path)) throw new FileRefusal("forbidden", "this folder may only be read");
    return this.#locate(path);
  }

  async #locked<T>(work: (trx: Knex.Transaction) => Promise<T>): Promise<T> {
    return this.#drops.locked(this.#key, async (trx) => {
      await makeFolder(this.#place.files);
      return work(trx);
    });
  }
}

/** @throws FileRefusal only. */
async function refusing<T>(work: () => T): Promise<T> {
  try {
    return await Promise.resolve(work());
  } catch (error) {
    throw refusalOf(error);
  }
}

function folderAbout(name: string, mayWrite: boolean): FileAbout {
  return { name, kind: "folder", bytes: 0, modifiedAt: 0, mayWrite };
}

function aboutOf(place: string, mayWrite: boolean): FileAbout {
  const found = lstatSync(place);
  const kind = found.isDirectory() ? "folder" : "file";
  return {
    name: basename(place),
    kind,
    bytes: found.isDirectory() ? 0 : found.size,
    modifiedAt: found.mtimeMs,
    mayWrite,
  };
}
