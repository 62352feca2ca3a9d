// What the SFTP server needs of the world: accounts, and the files of the account that signed in.
// Paths are absolute and normal within the account's root, as in /users.csv; an implementation never leaves that root.

import type { DistrictId, SourceId } from "../../domain/ids.ts";

export type Account = {
  readonly district: DistrictId;
  readonly source: SourceId;
  /** Addresses and networks from which it may sign in; empty: any. */
  readonly addresses: readonly string[];
};

/** What a client offers to prove that it is the account. A key was checked against its signature when `isProven`. */
export type Proof =
  | { readonly kind: "password"; readonly password: string }
  | { readonly kind: "key"; readonly data: Uint8Array; readonly isProven: boolean };

export type AuditEvent = {
  readonly event: "login" | "refused" | "logout" | "upload" | "torn" | "rename" | "delete";
  /** null: the name that was given is no account's. */
  readonly account: Account | null;
  readonly address: string;
  readonly path?: string;
  readonly formerPath?: string;
  readonly bytes?: number;
  readonly reason?: string;
};

/** In bytes: the largest file that is taken. */
export const largestFile = 16e9;

export interface SftpAccounts {
  /** @returns null when there is no enabled account of this name. */
  find(username: string): Promise<Account | null>;
  /**
   * Takes as long for a name that is no account's (null) as for a wrong password.
   * @returns the number of the account's credential that it proves; null: of none.
   */
  accepts(account: Account | null, proof: Proof): Promise<number | null>;
  /** An account that signed in, as it is now. @returns null when it is not enabled, or the credential has ended. */
  recall(account: Account, credential: number): Promise<Account | null>;
  /** The addresses from which it signed in of late. */
  signedInFrom(account: Account): Promise<readonly string[]>;
  /** The files of an account, for one session. */
  files(account: Account, address: string): DistrictFiles;
  /** Resolves when it is stored. */
  audit(event: AuditEvent): Promise<void>;
}

export type FileAbout = {
  readonly name: string;
  readonly kind: "file" | "folder";
  readonly bytes: number;
  /** Epoch milliseconds. */
  readonly modifiedAt: number;
  readonly mayWrite: boolean;
};

export type RefusalCode = "missing" | "forbidden" | "exists" | "not-empty" | "is-folder" | "full" | "busy" | "failed";

/** A request about a file that cannot be met; the session goes on. The message is for the client, without paths outside its root. */
export class FileRefusal extends Error {
  readonly code: RefusalCode;

  constructor(code: RefusalCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** A file being written. Until `close` resolves nothing counts; after `abandon` it is torn. */
export interface Upload {
  about(): FileAbout;
  /** Returns when the system has the bytes. @throws FileRefusal `full`, `failed`. */
  write(offset: number, bytes: Uint8Array): void;
  /** What was written so far, for a client that reads back. @returns null at the end. */
  read(offset: number, length: number): Uint8Array | null;
  truncate(bytes: number): void;
  /** Resolves when the file is durable and known to be closed. Twice changes nothing. */
  close(): Promise<void>;
  /** The connection ended before the file was closed: it is kept, to be resumed, and does not count. */
  abandon(): Promise<void>;
}

export interface Download {
  about(): FileAbout;
  read(offset: number, length: number): Uint8Array | null;
  close(): void;
}

export type WriteFlags = {
  readonly create: boolean;
  readonly exclusive: boolean;
  readonly truncate: boolean;
};

/** The files of one account. All methods throw {@link FileRefusal} and nothing else that is about one request. */
export interface DistrictFiles {
  about(path: string): Promise<FileAbout>;
  list(path: string): Promise<readonly FileAbout[]>;
  openRead(path: string): Promise<Download>;
  openWrite(path: string, flags: WriteFlags): Promise<Upload>;
  /** @param overwrite whether a file of the new name gives way. */
  rename(paths: { readonly from: string; readonly to: string; readonly overwrite: boolean }): Promise<void>;
  remove(path: string): Promise<void>;
  makeFolder(path: string): Promise<void>;
  removeFolder(path: string): Promise<void>;
  /** Sets the time of change that clients see; it decides nothing. */
  touch(path: string, modifiedAt: number): Promise<void>;
}
