// The least that the SFTP server needs of the world: accounts in memory, and files in a folder without any rule.
// It keeps what the server asked of it, so that tests see when an upload was closed and when it was torn.

import fs from "node:fs";
import { join } from "node:path";

import {
  type Account,
  type AuditEvent,
  type DistrictFiles,
  type Download,
  type FileAbout,
  FileRefusal,
  type Proof,
  type SftpAccounts,
  type Upload,
  type WriteFlags,
} from "../../libs/adapters/sftp/district-files.ts";
import { isPassword } from "../../libs/adapters/sftp/password.ts";
import { fingerprintOf } from "../../libs/adapters/sftp/public-key.ts";

export type KnownAccount = Account & {
  readonly username: string;
  /** Hashes. */
  readonly passwords: readonly string[];
  readonly fingerprints: readonly string[];
};

/** Accounts whose files are in `<root>/<district>`; `/reports` may only be read. */
export class MemoryAccounts implements SftpAccounts {
  readonly known: KnownAccount[] = [];
  readonly events: AuditEvent[] = [];
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  find(username: string): Promise<KnownAccount | null> {
    return Promise.resolve(this.known.find((one) => one.username === username) ?? null);
  }

  /** An account has one credential, whatever proves it. */
  async accepts(account: Account | null, proof: Proof): Promise<number | null> {
    const known = this.known.find((one) => one === account);
    if (proof.kind === "key") return known?.fingerprints.includes(fingerprintOf(proof.data)) === true ? 1 : null;
    const kept = known?.passwords ?? [null];
    for (const each of kept) if (await isPassword(proof.password, each)) return 1;
    return null;
  }

  recall({ district }: Account): Promise<Account | null> {
    return Promise.resolve(this.known.find((one) => one.district === district) ?? null);
  }

  signedInFrom(account: Account): Promise<readonly string[]> {
    const logins = this.events.filter((one) => one.event === "login" && one.account?.district === account.district);
    return Promise.resolve(logins.map(({ address }) => address));
  }

  files(account: Account, address: string): DistrictFiles {
    return new FolderFiles(join(this.#root, account.district), (event) =>
      this.events.push({ ...event, account, address }),
    );
  }

  audit(event: AuditEvent): Promise<void> {
    this.events.push(event);
    return Promise.resolve();
  }
}

type Note = (event: Pick<AuditEvent, "event" | "path">) => void;

class FolderFiles implements DistrictFiles {
  readonly #root: string;
  readonly #note: Note;

  constructor(root: string, note: Note) {
    this.#root = root;
    this.#note = note;
    fs.mkdirSync(join(root, "reports"), { recursive: true });
  }

  about(path: string): Promise<FileAbout> {
    return this.#run(path, (file) => aboutOf(path, fs.lstatSync(file)));
  }

  list(path: string): Promise<readonly FileAbout[]> {
    return this.#run(path, (file) =>
      fs.readdirSync(file).map((name) => aboutOf(join(path, name), fs.lstatSync(join(file, name)))),
    );
  }

  openRead(path: string): Promise<Download> {
    return this.#run(path, (file) => {
      const opened = new OpenFile({ file, path, flags: "r", note: () => {} });
      return {
        about: () => opened.about(),
        read: (offset, length) => opened.read(offset, length),
        close: () => void opened.close(),
      };
    });
  }

  openWrite(path: string, { create, exclusive, truncate }: WriteFlags): Promise<Upload> {
    return this.#change(path, (file) => {
      const exists = fs.existsSync(file);
      if (exists && exclusive) throw new FileRefusal("exists", "it exists");
      const flags = truncate || (create && !exists) ? "w+" : "r+";
      return new OpenFile({ file, path, flags, note: this.#note });
    });
  }

  rename({ from, to, overwrite }: { readonly from: string; readonly to: string; readonly overwrite: boolean }) {
    return this.#change(from, (file) => {
      const other = join(this.#root, to);
      if (!overwrite && fs.existsSync(other)) throw new FileRefusal("exists", "it exists");
      fs.renameSync(file, other);
    });
  }

  remove(path: string): Promise<void> {
    return this.#change(path, (file) => fs.unlinkSync(file));
  }

  makeFolder(path: string): Promise<void> {
    return this.#change(path, (file) => fs.mkdirSync(file));
  }

  removeFolder(path: string): Promise<void> {
    return this.#change(path, (file) => fs.rmdirSync(file));
  }

  touch(path: string, modifiedAt: number): Promise<void> {
    return this.#change(path, (file) => fs.utimesSync(file, modifiedAt / 1000, modifiedAt / 1000));
  }

  #change<T>(path: string, work: (file: string) => T): Promise<T> {
    if (path.startsWith("/reports")) return Promise.reject(new FileRefusal("forbidden", "it may only be read"));
    return this.#run(path, work);
  }

  /** Asynchronous, as a real one is. */
  async #run<T>(path: string, work: (file: string) => T): Promise<T> {
    await new Promise(setImmediate);
    try {
      return work(join(this.#root, path));
    } catch (cause) {
      if (cause instanceof FileRefusal) throw cause;
      const isMissing = cause instanceof Error && "code" in cause && cause.code === "ENOENT";
      throw new FileRefusal(isMissing ? "missing" : "failed", "it cannot be done", { cause });
    }
  }
}

class OpenFile implements Upload {
  readonly #descriptor: number;
  readonly #path: string;
  readonly #note: Note;
  #isOpen = true;

  constructor(about: { readonly file: string; readonly path: string; readonly flags: string; readonly note: Note }) {
    this.#descriptor = fs.openSync(about.file, about.flags);
    this.#path = about.path;
    this.#note = about.note;
  }

  about(): FileAbout {
    return aboutOf(this.#path, fs.fstatSync(this.#descriptor));
  }

  write(offset: number, bytes: Uint8Array): void {
    fs.writeSync(this.#descriptor, bytes, 0, bytes.length, offset);
  }

  read(offset: number, length: number): Uint8Array | null {
    const bytes = Buffer.allocUnsafe(length);
    const count = fs.readSync(this.#descriptor, bytes, 0, length, offset);
    return count === 0 ? null : bytes.subarray(0, count);
  }

  truncate(bytes: number): void {
    fs.ftruncateSync(this.#descriptor, bytes);
  }

  close(): Promise<void> {
    return this.#end("upload");
  }

  abandon(): Promise<void> {
    return this.#end("torn");
  }

  #end(event: "upload" | "torn"): Promise<void> {
    if (this.#isOpen) {
      this.#isOpen = false;
      fs.closeSync(this.#descriptor);
      this.#note({ event, path: this.#path });
    }
    return Promise.resolve();
  }
}

function aboutOf(path: string, stat: fs.Stats): FileAbout {
  return {
    name: path.slice(path.lastIndexOf("/") + 1),
    kind: stat.isDirectory() ? "folder" : "file",
    bytes: stat.size,
    modifiedAt: stat.mtimeMs,
    mayWrite: !path.startsWith("/reports"),
  };
}
