// An SFTP server over accounts in memory, and the clients that people really use to talk to it.

import { accessSync, chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import ssh2 from "ssh2";

import { newKeyPair } from "../../libs/adapters/sftp/key-pair.ts";
import { type HostKeys, openHostKeys } from "../../libs/adapters/sftp/host-keys.ts";
import { hashPassword } from "../../libs/adapters/sftp/password.ts";
import { readPublicKey } from "../../libs/adapters/sftp/public-key.ts";
import { type SftpLimits, type SftpServer, startSftpServer } from "../../libs/adapters/sftp/server.ts";
import type { SftpAccounts } from "../../libs/adapters/sftp/district-files.ts";
import { parseSourceId } from "../../libs/domain/ids.ts";
import { createLogger } from "../../libs/runtime/logger.ts";
import { finish, type Child, type Ended, start } from "./child.ts";
import { type KnownAccount, MemoryAccounts } from "./sftp-files.ts";
import { districtNamed } from "./system.ts";
import type { Teardown } from "./teardown.ts";

/** Why tests with a program cannot run here; false where they can. Under CI they run or fail. */
export function skipWithout(program: "sftp" | "lftp"): false | string {
  if (process.env["CI"] === "true") return false;
  try {
    accessSync(`/usr/bin/${program}`);
    return false;
  } catch {
    return `${program} is not here: apt-get install ${program === "sftp" ? "openssh-client" : program}`;
  }
}

let made: Promise<HostKeys> | undefined;

/** The same for all servers of a test file, because RSA takes its time. */
export function testHostKeys(): Promise<HostKeys> {
  const folder = mkdtempSync(join(tmpdir(), "rollcall-keys-"));
  return (made ??= openHostKeys(folder).finally(() => rmSync(folder, { recursive: true })));
}

/** Ended with the test, if the test has not. */
export async function serverOver(
  t: Teardown,
  accounts: SftpAccounts,
  limits: Partial<SftpLimits> = {},
): Promise<SftpServer> {
  const logger = createLogger({ name: "test", level: "fatal" });
  const address = { host: "127.0.0.1", port: 0 };
  const server = await startSftpServer({ accounts, hostKeys: await testHostKeys(), address, limits, logger });
  t.teardown(() => server.close());
  return server;
}

export type TestServer = {
  readonly server: SftpServer;
  readonly accounts: MemoryAccounts;
  /** What the account `oak` sees as `/`. */
  readonly files: string;
  /** Of the client's own files, scripts and keys. */
  readonly folder: string;
};

export const password = "correct horse";
let passwordHash: Promise<string> | undefined;

/** A server with the account `oak`, whose password is {@link password}. */
export async function freshServer(
  t: Teardown,
  about: { readonly limits?: Partial<SftpLimits>; readonly account?: Partial<KnownAccount> } = {},
): Promise<TestServer> {
  const folder = mkdtempSync(join(tmpdir(), "rollcall-sftp-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const accounts = new MemoryAccounts(join(folder, "served"));
  const passwords = [await (passwordHash ??= hashPassword(password))];
  const source = parseSourceId("sftp");
  if (source === null) throw new Error("sftp is a source id");
  const usual = { district: districtNamed("oak"), source, username: "oak", addresses: [], passwords, fingerprints: [] };
  accounts.known.push({ ...usual, ...about.account });
  return { server: await serverOver(t, accounts, about.limits), accounts, files: join(folder, "served/oak"), folder };
}

export type ClientOptions = {
  readonly port: number;
  /** For scripts and the like. */
  readonly folder: string;
  readonly username?: string;
  readonly password?: string;
  /** A file with a private key, instead of the password. */
  readonly key?: string;
  readonly args?: readonly string[];
};

/** Options and environment by which the programs of OpenSSH ask nobody anything. */
export function openSsh(about: ClientOptions): { readonly args: readonly string[]; readonly env: NodeJS.ProcessEnv } {
  const script = join(about.folder, "askpass.sh");
  writeFileSync(script, `#!/bin/sh\necho "$TEST_PASSWORD"\n`);
  chmodSync(script, 0o700);
  const { key } = about;
  const options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "BatchMode=no"];
  const means = key === undefined ? ["PubkeyAuthentication=no"] : ["PasswordAuthentication=no", `IdentityFile=${key}`];
  return {
    args: [
      "-F",
      "/dev/null",
      ...[...options, ...means, "IdentitiesOnly=yes", "NumberOfPasswordPrompts=1"].flatMap((one) => ["-o", one]),
      "-P",
      String(about.port),
    ],
    env: {
      SSH_ASKPASS: script,
      SSH_ASKPASS_REQUIRE: "force",
      SSH_AUTH_SOCK: undefined,
      TEST_PASSWORD: about.password ?? password,
    },
  };
}

/** Runs lines in OpenSSH's `sftp`; it stops at the first that fails. */
export function sftp(about: ClientOptions, lines: readonly string[]): Promise<Ended> {
  return startSftp(about, lines).ended;
}

export function startSftp(about: ClientOptions, lines: readonly string[]): Child {
  const { args, env } = openSsh(about);
  const batch = join(about.folder, `batch-${process.hrtime.bigint()}`);
  writeFileSync(batch, `${lines.join("\n")}\n`);
  return start(["sftp", ...(about.args ?? []), ...args, "-b", batch, `${about.username ?? "oak"}@127.0.0.1`], { env });
}

/** A new key pair of a client: the file of the private one, and the fingerprint of the public one. */
export async function newKey(
  folder: string,
  type: readonly [string, ...(readonly string[])],
): Promise<{ readonly file: string; readonly fingerprint: string }> {
  const file = join(folder, `key-${process.hrtime.bigint()}`);
  await finish(["ssh-keygen", "-q", "-t", ...type, "-N", "", "-f", file]);
  const { stdout } = await finish(["cat", `${file}.pub`]);
  const read = readPublicKey(stdout);
  if (read.outcome === "fault") throw new Error(read.fault);
  return { file, fingerprint: read.key.fingerprint };
}

/** A client of the tests' own, signed in. A key costs much less than a password, where many sign in. */
export async function signedIn(
  t: Teardown,
  port: number,
  proof: { readonly password: string } | { readonly privateKey: string } = { password },
): Promise<ssh2.Client> {
  const client = new ssh2.Client();
  t.teardown(() => void client.destroy());
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  client.on("ready", resolve).on("error", reject);
  client.on("close", () => reject(new Error("the server hung up")));
  client.connect({ host: "127.0.0.1", port, username: "oak", readyTimeout: 60_000, ...proof });
  await promise;
  // Small writes wait for nothing.
  client.setNoDelay(true);
  return client;
}

/** The bytes of an SFTP channel, without anything that understands them. */
export function subsystem(client: ssh2.Client): Promise<ssh2.ClientChannel> {
  return new Promise((resolve, reject) =>
    client.subsys("sftp", (error, channel) => (error === undefined ? resolve(channel) : reject(error))),
  );
}

/** A key pair as a client has it, and what the server knows of it. */
export function keyPair(): { readonly privateKey: string; readonly fingerprint: string } {
  const { private: privateKey, public: line } = newKeyPair("ed25519");
  const read = readPublicKey(line);
  if (read.outcome === "fault") throw new Error(read.fault);
  return { privateKey, fingerprint: read.key.fingerprint };
}
