// The keys by which clients know this server. They are made once and kept: a client that finds another key refuses to talk.
// It keeps true that processes that start at once have the same keys, and that a half-written key is never used.

import { randomUUID } from "node:crypto";
import { link, mkdir, open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";

import ssh2 from "ssh2";

import { newKeyPair } from "./key-pair.ts";
import { fingerprintOf } from "./public-key.ts";
import { syncFolder } from "../sync-folder.ts";

export type HostKeys = {
  /** Private keys in OpenSSH's form, the preferred first. */
  readonly keys: readonly string[];
  /** Of each its type and what `ssh-keygen -l` prints, to be sent to districts. */
  readonly fingerprints: readonly { readonly type: string; readonly fingerprint: string }[];
};

const kinds = ["ed25519", "ecdsa", "rsa"] as const;

/** The keys in `<data>/sftp`; what is missing is made. @throws when the folder cannot be read or written. */
export async function openHostKeys(dataDir: string): Promise<HostKeys> {
  const folder = join(dataDir, "sftp");
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const keys: string[] = [];
  for (const kind of kinds) keys.push(await openKey(folder, kind, () => newKeyPair(kind).private));
  return { keys, fingerprints: keys.map(describe) };
}

async function openKey(folder: string, name: string, make: () => string): Promise<string> {
  const file = join(folder, `host-${name}.key`);
  const kept = await readIfThere(file);
  if (kept !== null) return kept;
  const made = join(folder, `new.${randomUUID()}`);
  try {
    await writeDurably(made, make());
    // Of two at once, the second finds the name taken.
    await link(made, file).catch(unless("EEXIST"));
  } finally {
    await rm(made, { force: true });
  }
  await syncFolder(folder);
  return readFile(file, "utf8");
}

async function readIfThere(file: string): Promise<string | null> {
  return (await readFile(file, "utf8").catch(unless("ENOENT"))) ?? null;
}

function unless(code: string): (thrown: unknown) => undefined {
  return (thrown) => {
    if (thrown instanceof Error && "code" in thrown && thrown.code === code) return undefined;
    throw thrown;
  };
}

async function writeDurably(file: string, text: string): Promise<void> {
  const handle = await open(file, "wx", 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function describe(text: string): { readonly type: string; readonly fingerprint: string } {
  const key = ssh2.utils.parseKey(text);
  if (key instanceof Error) throw new Error("a host key cannot be read", { cause: key });
  return { type: key.type, fingerprint: fingerprintOf(key.getPublicSSH()) };
}
