// One SFTP session: what each request does to the files of the account, and what is answered.
// It keeps true that every request has one answer, that a request which fails leaves the session usable, and that what
// was opened for writing is either closed by the client or abandoned.

import { randomBytes } from "node:crypto";

import type { Logger } from "../../runtime/logger.ts";
import { unreachable } from "../../domain/assert.ts";
import { type DistrictFiles, type Download, type FileAbout, FileRefusal, type Upload } from "./district-files.ts";
import { normalPath } from "./paths.ts";
import {
  type Attributes,
  attributesPacket,
  dataPacket,
  handlePacket,
  limitsPacket,
  listPacket,
  mostData,
  pathPacket,
  type SftpRequest,
  status,
  statusPacket,
  versionPacket,
} from "./wire.ts";

const entriesPerPacket = 64;

export type SessionLimits = {
  /** Files and folders that a session may have open at once. */
  readonly handles: number;
  /** The largest file that is taken. */
  readonly fileBytes: number;
};

type Open =
  | { readonly kind: "download"; readonly download: Download }
  | { readonly kind: "folder"; readonly entries: readonly FileAbout[]; at: number }
  | {
      readonly kind: "upload";
      readonly upload: Upload;
      readonly path: string;
      readonly isAppend: boolean;
      /** Set when it is closed: until then each write would change it again. */
      modifiedAt?: number;
    };

type Answer = Buffer | Promise<Buffer>;
type Of<Type extends SftpRequest["type"]> = Extract<SftpRequest, { readonly type: Type }>;

/** A status other than that of a {@link FileRefusal}. */
class Refusal extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

export class SftpSession {
  readonly #files: DistrictFiles;
  readonly #limits: SessionLimits;
  readonly #logger: Logger;
  readonly #open = new Map<string, Open>();

  constructor(about: { readonly files: DistrictFiles; readonly limits: SessionLimits; readonly logger: Logger }) {
    this.#files = about.files;
    this.#limits = about.limits;
    this.#logger = about.logger;
  }

  /** Requests are given one after another: none before the one before is answered. Never rejects. */
  answer(request: SftpRequest): Answer {
    if (request.type === "init") return versionPacket();
    const { id } = request;
    try {
      const answer = this.#answer(request);
      return answer instanceof Promise ? answer.catch((thrown: unknown) => this.#refused(id, thrown)) : answer;
    } catch (thrown) {
      return this.#refused(id, thrown);
    }
  }

  /** Abandons what is still being written. Twice changes nothing. */
  async end(): Promise<void> {
    const left = [...this.#open.values()];
    this.#open.clear();
    for (const one of left) {
      if (one.kind === "download") one.download.close();
      if (one.kind !== "upload") continue;
      await one.upload
        .abandon()
        .catch((err: unknown) => this.#logger.error({ err }, "an upload could not be abandoned"));
    }
  }

  #answer(request: Exclude<SftpRequest, { readonly type: "init" }>): Answer {
    const { id } = request;
    switch (request.type) {
      case "write":
        return this.#write(request);
      case "read":
        return this.#read(request);
      case "open":
        return this.#openFile(request);
      case "close":
        return this.#close(request);
      case "opendir":
        return this.#openFolder(request);
      case "readdir":
        return this.#list(request);
      case "stat":
        return this.#files.about(path(request.path)).then((about) => attributesPacket(id, about));
      case "fstat":
        return this.#aboutOpen(request);
      case "setstat":
        return this.#change(path(request.path), request);
      case "fsetstat":
        return this.#changeOpen(request);
      case "realpath":
        return pathPacket(id, path(request.path));
      case "remove":
        return done(id, this.#files.remove(path(request.path)));
      case "mkdir":
        return done(id, this.#files.makeFolder(path(request.path)));
      case "rmdir":
        return done(id, this.#files.removeFolder(path(request.path)));
      case "rename": {
        const { from, to, overwrite } = request;
        return done(id, this.#files.rename({ from: path(from), to: path(to), overwrite }));
      }
      case "limits":
        return limitsPacket(id, this.#limits.handles);
      case "unsupported":
        throw new Refusal(status.unsupported, "this server does not do that");
      case "malformed":
        throw new Refusal(status.badMessage, "the request cannot be understood");
      default:
        return unreachable(request);
    }
  }

  async #openFile({ id, path: bytes, flags }: Of<"open">): Promise<Buffer> {
    const { create, exclusive, truncate } = flags;
    this.#checkRoom();
    const name = path(bytes);
    if (!flags.write)
      return handlePacket(id, this.#keep({ kind: "download", download: await this.#files.openRead(name) }));
    const upload = await this.#files.openWrite(name, { create, exclusive, truncate });
    return handlePacket(id, this.#keep({ kind: "upload", upload, path: name, isAppend: flags.append }));
  }

  async #openFolder({ id, path: bytes }: { readonly id: number; readonly path: Uint8Array }): Promise<Buffer> {
    this.#checkRoom();
    const entries = await this.#files.list(path(bytes));
    return handlePacket(id, this.#keep({ kind: "folder", entries, at: 0 }));
  }

  #checkRoom(): void {
    if (this.#open.size >= this.#limits.handles) throw new Refusal(status.failure, "too many files are open");
  }

  /** Names of handles are random, so that none can be guessed and none is taken for an earlier one. */
  #keep(open: Open): string {
    const handle = randomBytes(8).toString("hex");
    this.#open.set(handle, open);
    return handle;
  }

  #opened(handle: string): Open {
    const open = this.#open.get(handle);
    if (open === undefined) throw new Refusal(status.failure, "there is no such handle");
    return open;
  }

  #write({ id, handle, offset, data }: Of<"write">): Buffer {
    const open = this.#opened(handle);
    if (open.kind !== "upload") throw new Refusal(status.permissionDenied, "it is not open for writing");
    const at = open.isAppend ? open.upload.about().bytes : offset;
    this.#checkSize(at + data.length);
    open.upload.write(at, data);
    return statusPacket(id, status.ok);
  }

  #checkSize(bytes: number): void {
    if (bytes > this.#limits.fileBytes) throw new Refusal(status.failure, "the file is larger than may be sent");
  }

  /** Nobody gets a large file without sending it. */
  #checkCut(bytes: number, now: FileAbout): void {
    if (bytes > now.bytes) throw new Refusal(status.failure, "a file grows by what is written only");
  }

  #read({ id, handle, offset, length }: Of<"read">): Buffer {
    const open = this.#opened(handle);
    if (open.kind === "folder") throw new Refusal(status.failure, "it is a folder");
    const source = open.kind === "upload" ? open.upload : open.download;
    const count = Math.min(length, mostData);
    const data = offset > this.#limits.fileBytes ? null : source.read(offset, count);
    return data === null ? statusPacket(id, status.endOfFile) : dataPacket(id, data);
  }

  async #close({ id, handle }: { readonly id: number; readonly handle: string }): Promise<Buffer> {
    const open = this.#opened(handle);
    this.#open.delete(handle);
    if (open.kind === "download") open.download.close();
    if (open.kind === "upload") {
      await open.upload.close();
      if (open.modifiedAt !== undefined) await this.#touch(open.path, open.modifiedAt);
    }
    return statusPacket(id, status.ok);
  }

  /** The file is closed and counts, whatever becomes of its time, which decides nothing. */
  async #touch(name: string, modifiedAt: number): Promise<void> {
    await this.#files
      .touch(name, modifiedAt)
      .catch((err: unknown) => this.#logger.info({ err }, "the time of an uploaded file could not be set"));
  }

  #list({ id, handle }: { readonly id: number; readonly handle: string }): Buffer {
    const open = this.#opened(handle);
    if (open.kind !== "folder") throw new Refusal(status.failure, "it is no folder");
    const entries = open.entries.slice(open.at, open.at + entriesPerPacket);
    open.at += entries.length;
    return entries.length === 0 ? statusPacket(id, status.endOfFile) : listPacket(id, entries);
  }

  #aboutOpen({ id, handle }: { readonly id: number; readonly handle: string }): Buffer {
    const open = this.#opened(handle);
    switch (open.kind) {
      case "upload":
        return attributesPacket(id, open.upload.about());
      case "download":
        return attributesPacket(id, open.download.about());
      case "folder":
        throw new Refusal(status.failure, "it is a folder");
      default:
        return unreachable(open);
    }
  }

  /** Owners and modes are ours; to set them changes nothing and is no fault, because many clients do. */
  async #change(name: string, { id, attributes }: { readonly id: number; readonly attributes: Attributes }) {
    const { bytes, modifiedAt } = attributes;
    if (bytes !== undefined) {
      // Before it is opened: a file that was closed stays so.
      this.#checkCut(bytes, await this.#files.about(name));
      const upload = await this.#files.openWrite(name, { create: false, exclusive: false, truncate: false });
      try {
        upload.truncate(bytes);
      } catch (thrown) {
        await upload.abandon();
        throw thrown;
      }
      await upload.close();
    }
    if (modifiedAt !== undefined) await this.#files.touch(name, modifiedAt);
    return statusPacket(id, status.ok);
  }

  #changeOpen({ id, handle, attributes: { bytes, modifiedAt } }: Of<"fsetstat">): Buffer {
    const open = this.#opened(handle);
    if (open.kind !== "upload") throw new Refusal(status.permissionDenied, "it is not open for writing");
    if (bytes !== undefined) {
      this.#checkCut(bytes, open.upload.about());
      open.upload.truncate(bytes);
    }
    if (modifiedAt !== undefined) open.modifiedAt = modifiedAt;
    return statusPacket(id, status.ok);
  }

  #refused(id: number, thrown: unknown): Buffer {
    if (thrown instanceof Refusal) return statusPacket(id, thrown.code, thrown.message);
    if (thrown instanceof FileRefusal) {
      const { code, message, cause: err } = thrown;
      // What the client did not cause, an operator must see.
      if ((code === "failed" || code === "full") && err !== undefined)
        this.#logger.warn({ err }, "a request of a client failed");
      return statusPacket(id, statusOf(code), message);
    }
    this.#logger.error({ err: thrown }, "a request of a client could not be met");
    return statusPacket(id, status.failure, "the server could not do it; try again later");
  }
}

/** @throws Refusal when there is no such path. */
function path(bytes: Uint8Array): string {
  const read = normalPath(bytes);
  if (read.outcome === "fault") throw new Refusal(status.failure, read.fault);
  return read.path;
}

async function done(id: number, work: Promise<void>): Promise<Buffer> {
  await work;
  return statusPacket(id, status.ok);
}

function statusOf(code: FileRefusal["code"]): number {
  switch (code) {
    case "missing":
      return status.noSuchFile;
    case "forbidden":
      return status.permissionDenied;
    case "exists":
    case "not-empty":
    case "is-folder":
    case "full":
    case "busy":
    case "failed":
      return status.failure;
    default:
      return unreachable(code);
  }
}
