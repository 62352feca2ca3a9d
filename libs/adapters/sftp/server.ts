// The SFTP server: it listens, counts connections, and gives each to SSH. Nothing else of SSH is offered:
// no shell, no commands, no forwarding, no agent.

import { createServer } from "node:net";
import type { AddressInfo, Server as NetServer } from "node:net";

import ssh2 from "ssh2";
import type { ParsedKey } from "ssh2";

import { AppError } from "../../errors.ts";
import type { Logger } from "../../runtime/logger.ts";
import { Connection } from "./connection.ts";
import { type Account, largestFile, type SftpAccounts } from "./district-files.ts";
import type { HostKeys } from "./host-keys.ts";
import { Login } from "./login.ts";
import { peerOf, plainAddress } from "./peers.ts";
import type { SessionLimits } from "./session.ts";

export type SftpLimits = SessionLimits & {
  /** That have signed in. */
  readonly connections: number;
  /** Here and below a network /64 of IPv6 is one address. */
  readonly connectionsPerAddress: number;
  /** That have not signed in yet. Beyond it the oldest of the address that has the most gives way to a new one. */
  readonly connecting: number;
  readonly connectingPerAddress: number;
  readonly connectionsPerAccount: number;
  readonly channelsPerConnection: number;
  /** Passwords and keys that one connection may try. */
  readonly tries: number;
  /** For how long a connection may be open without having signed in. */
  readonly graceMs: number;
  /** For how long it may ask nothing. */
  readonly idleMs: number;
  /** For how long it may be signed in. */
  readonly sessionMs: number;
  /** How often it is asked whether who signed in may stay. */
  readonly recallMs: number;
  /** Passwords that one address, and that all together for one account, may get wrong within the window. */
  readonly failuresPerAddress: number;
  readonly failuresPerAccount: number;
  readonly failureWindowMs: number;
};

export const defaultSftpLimits: SftpLimits = {
  connections: 400,
  connectionsPerAddress: 100,
  connecting: 120,
  connectingPerAddress: 60,
  connectionsPerAccount: 64,
  channelsPerConnection: 10,
  tries: 12,
  graceMs: 60_000,
  idleMs: 15 * 60_000,
  sessionMs: 12 * 60 * 60_000,
  recallMs: 60_000,
  failuresPerAddress: 20,
  failuresPerAccount: 200,
  failureWindowMs: 15 * 60_000,
  handles: 128,
  fileBytes: largestFile,
};

export type SftpServer = {
  readonly port: number;
  /** Takes no more connections and ends those that are open; resolves when nothing is being written any more. */
  close(): Promise<void>;
};

/** What has been safe for years. SHA-1, CBC, DSA and groups of Diffie-Hellman are not offered. */
const algorithms = {
  kex: [
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
  ],
  serverHostKey: ["ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512", "rsa-sha2-256"],
  cipher: [
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "chacha20-poly1305@openssh.com",
    "aes128-ctr",
    "aes192-ctr",
    "aes256-ctr",
  ],
  hmac: [
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-512-etm@openssh.com",
    // For clients in older Java, which know no other.
    "hmac-sha2-256",
    "hmac-sha2-512",
  ],
  compress: ["none"],
} as const;

const keepaliveMs = 30_000;

export type SftpServerOptions = {
  readonly accounts: SftpAccounts;
  readonly hostKeys: HostKeys;
  /** Port 0 takes any that is free. */
  readonly address: { readonly host: string; readonly port: number };
  readonly limits?: Partial<SftpLimits>;
  readonly logger: Logger;
};

/** @throws AppError `sftp.address` when it cannot listen there. */
export async function startSftpServer(options: SftpServerOptions): Promise<SftpServer> {
  const { accounts, hostKeys, address, logger } = options;
  const limits = { ...defaultSftpLimits, ...options.limits };
  const login = new Login(accounts, limits);
  const connections = new Map<string, Connection>();
  const ssh = new ssh2.Server({
    hostKeys: hostKeys.keys.flatMap(offeredKeys),
    algorithms: mutable(algorithms),
    ident: "Rollcall",
    keepaliveInterval: keepaliveMs,
    keepaliveCountMax: 3,
  });
  // Only connections that have said who they are arrive here; the others end by their time.
  ssh.on("connection", (client, { ip, port }) => connections.get(nameOf(ip, port))?.begin(client));
  const net = createServer({ noDelay: true, keepAlive: true }, (socket) => {
    const { remoteAddress: ip, remotePort: port } = socket;
    if (ip === undefined || port === undefined || !makesRoom([...connections.values()], peerOf(ip), limits)) {
      socket.destroy();
      return;
    }
    const countOf = (account: Account): number =>
      [...connections.values()].filter((one) => isSame(one.account, account)).length;
    const connection = new Connection({ socket, address: plainAddress(ip), accounts, limits, login, logger, countOf });
    connections.set(nameOf(ip, port), connection);
    void connection.ended.then(() => connections.delete(nameOf(ip, port)));
    ssh.injectSocket(socket);
  });
  await listen(net, address);
  net.on("error", (err) => logger.error({ err }, "the SFTP server failed"));
  return {
    port: portOf(net),
    close: async () => {
      const closed = new Promise((resolve) => net.close(resolve));
      await Promise.all([...connections.values()].map((connection) => connection.end()));
      await closed;
    },
  };
}

/**
 * Of an RSA key ssh2 offers signatures with SHA-1 as well, whatever it is told of algorithms; not so of a key whose type
 * is the name of one algorithm.
 */
function offeredKeys(text: string): readonly { readonly key: ParsedKey }[] {
  const key = ssh2.utils.parseKey(text);
  if (key instanceof Error) throw new Error("a host key cannot be read", { cause: key });
  if (key.type !== "ssh-rsa") return [{ key }];
  return ["rsa-sha2-512", "rsa-sha2-256"].map((type) => {
    const named: ParsedKey = Object.create(key, { type: { value: type } });
    return { key: named };
  });
}

function nameOf(ip: string, port: number): string {
  return `${ip} ${port}`;
}

function isSame(one: Account | null, other: Account): boolean {
  return one?.district === other.district && one.source === other.source;
}

/**
 * Whether one more of this peer may come. Who only connects keeps nobody out who signed in, and, unless he comes from very
 * many addresses, nobody who is about to.
 */
function makesRoom(connections: readonly Connection[], peer: string, limits: SftpLimits): boolean {
  const open = connections.filter((one) => !one.isHungUp);
  const connecting = open.filter((one) => one.account === null);
  if (open.length - connecting.length >= limits.connections) return false;
  const isOfPeer = (one: Connection): boolean => one.peer === peer;
  if (open.filter(isOfPeer).length >= limits.connectionsPerAddress) return false;
  if (connecting.filter(isOfPeer).length >= limits.connectingPerAddress) return false;
  if (connecting.length >= limits.connecting) oldestOfMost(connecting)?.hangUp();
  return true;
}

function oldestOfMost(connections: readonly Connection[]): Connection | undefined {
  const groups = Map.groupBy(connections, (one) => one.peer);
  return [...groups.values()].toSorted((one, other) => other.length - one.length)[0]?.[0];
}

async function listen(net: NetServer, { host, port }: SftpServerOptions["address"]): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  net.once("error", reject).listen(port, host, resolve);
  try {
    await promise;
  } catch (cause) {
    throw new AppError("sftp.address", {
      message: `opening the SFTP server on ${host}, port ${port}`,
      cause,
      details: { host, port },
    });
  }
  net.off("error", reject);
}

function portOf(net: NetServer): number {
  const address: AddressInfo | string | null = net.address();
  if (address === null || typeof address === "string") throw new Error("a listening server has a port");
  return address.port;
}

type Lists = typeof algorithms;

function mutable(lists: Lists): { -readonly [Key in keyof Lists]: Lists[Key][number][] } {
  const { kex, serverHostKey, cipher, hmac, compress } = lists;
  return {
    kex: [...kex],
    serverHostKey: [...serverHostKey],
    cipher: [...cipher],
    hmac: [...hmac],
    compress: [...compress],
  };
}
