// One connection of a client, from its first byte to its last.
// It keeps true that it ends when it does not sign in, is idle or fails, when its time is over, or when what it signed in
// with holds no more, and that then nothing it had open stays open.
//
//   grace --signed in--> open --asks nothing for too long, goes, may stay no more--> ending --sessions ended--> gone

import type { Socket } from "node:net";

import type { AuthContext, Connection as SshConnection, ServerChannel, Session } from "ssh2";

import type { Logger } from "../../runtime/logger.ts";
import { type SftpChannel, serveSftp } from "./channel.ts";
import type { Account, SftpAccounts } from "./district-files.ts";
import type { Login, SignedIn } from "./login.ts";
import type { SftpLimits } from "./server.ts";
import { peerOf } from "./peers.ts";
import { readyKeys } from "./session-keys.ts";
import { SftpSession } from "./session.ts";

/** For how long a client may take to hang up after it was told to. */
const farewellMs = 2000;
/** So much does not wait in a socket for a client that reads at all. */
const mostUnread = 32 * 1024 * 1024;

const oldScp =
  "This server does not speak the old protocol of scp. Use scp of OpenSSH 9 or newer without -O, or sftp.\r\n";
const onlySftp = "This server offers SFTP and nothing else: no shell and no commands.\r\n";

export type ConnectionOptions = {
  readonly socket: Socket;
  readonly address: string;
  readonly accounts: SftpAccounts;
  readonly limits: SftpLimits;
  readonly login: Login;
  readonly logger: Logger;
  /** How many connections an account has now. */
  readonly countOf: (account: Account) => number;
};

export class Connection {
  readonly #about: ConnectionOptions;
  readonly #logger: Logger;
  readonly #channels = new Set<SftpChannel>();
  readonly #ended = Promise.withResolvers<void>();
  #timer: NodeJS.Timeout;
  #recalls: NodeJS.Timeout | undefined;
  #overTimer: NodeJS.Timeout | undefined;
  #client: SshConnection | null = null;
  #account: Account | null = null;
  /** Why we hung up, where we did. */
  #reason: string | null = null;
  #tries = 0;
  #sessions = 0;

  constructor(about: ConnectionOptions) {
    const { socket, limits, logger } = about;
    this.#about = about;
    this.#logger = logger.child({ address: about.address });
    this.#timer = setTimeout(() => this.#endFor("it did not sign in"), limits.graceMs);
    socket.once("close", () => void this.#gone());
    socket.on("data", () => {
      if (socket.writableLength > mostUnread) socket.destroy();
    });
  }

  /** As whom limits count it. */
  get peer(): string {
    return peerOf(this.#about.address);
  }

  get isHungUp(): boolean {
    return this.#about.socket.destroyed;
  }

  /** null until it has signed in. */
  get account(): Account | null {
    return this.#account;
  }

  /** Resolves when it is gone and nothing of it is open. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** The client has said which protocol it speaks. */
  begin(client: SshConnection): void {
    this.#client = client;
    client.on("error", (err: Error) => this.#logger.debug({ err }, "a connection failed"));
    client.on("handshake", () => readyKeys(client));
    client.on("authentication", (context) => void this.#authenticate(context));
    client.on("session", (accept, reject) => {
      if (this.#sessions >= this.#about.limits.channelsPerConnection) reject();
      else this.#begin(accept());
    });
  }

  /** At once, without leave. */
  hangUp(): void {
    this.#about.socket.destroy();
  }

  /** Hangs up; resolves when it is gone and nothing of it is open. Twice changes nothing. */
  async end(): Promise<void> {
    const { socket } = this.#about;
    // Before it has said which protocol it speaks, there is nobody to take leave of.
    if (this.#client === null) socket.destroy();
    else this.#client.end();
    const farewell = setTimeout(() => socket.destroy(), farewellMs);
    await this.ended;
    clearTimeout(farewell);
  }

  #endFor(reason: string): void {
    this.#reason ??= reason;
    this.#logger.debug({ reason }, "hanging up");
    void this.end();
  }

  async #gone(): Promise<void> {
    for (const timer of [this.#timer, this.#recalls, this.#overTimer]) clearTimeout(timer);
    const channels = [...this.#channels];
    for (const channel of channels) channel.end();
    await Promise.all(channels.map((channel) => channel.ended));
    const { accounts, address } = this.#about;
    const reason = this.#reason;
    if (this.#account !== null)
      await accounts
        .audit({ event: "logout", account: this.#account, address, ...(reason === null ? {} : { reason }) })
        .catch((err: unknown) => this.#logger.error({ err }, "a logout could not be written down"));
    this.#ended.resolve();
  }

  async #authenticate(context: AuthContext): Promise<void> {
    try {
      await this.#decide(context);
    } catch (err) {
      this.#account = null;
      this.#logger.error({ err }, "a login could not be decided");
      context.reject(["publickey", "password"]);
    }
  }

  async #decide(context: AuthContext): Promise<void> {
    const { accounts, address, limits, login } = this.#about;
    // Clients ask with it which means there are.
    if (context.method === "none") return context.reject(["publickey", "password"]);
    if (++this.#tries > limits.tries) return this.#endFor("it tried too often");
    const outcome = await login.try(context, address);
    if (outcome.outcome === "key") return context.accept();
    if (outcome.outcome === "refused") return context.reject(["publickey", "password"]);
    if (this.#about.socket.destroyed) return;
    const { account, means, credential } = outcome;
    if (this.#about.countOf(account) >= limits.connectionsPerAccount) {
      await accounts.audit({ event: "refused", account, address, reason: "too many connections" });
      return this.#endFor("its account has too many connections");
    }
    this.#account = account;
    await accounts.audit({ event: "login", account, address, reason: means });
    context.accept();
    clearTimeout(this.#timer);
    if (this.#about.socket.destroyed) return;
    this.#timer = setTimeout(() => this.#endFor("it was idle"), limits.idleMs);
    this.#overTimer = setTimeout(() => this.#endFor("its time is over"), limits.sessionMs);
    this.#recallLater({ account, credential, address });
  }

  #recallLater(who: SignedIn): void {
    this.#recalls = setTimeout(() => void this.#recall(who), this.#about.limits.recallMs);
  }

  async #recall(who: SignedIn): Promise<void> {
    try {
      if (!(await this.#about.login.holds(who))) return this.#endFor("its account or credential has ended");
    } catch (err) {
      // What is not known now is asked again; who uploads is not cut off for it.
      this.#logger.warn({ err }, "it is not known whether a session may go on");
    }
    if (!this.#about.socket.destroyed) this.#recallLater(who);
  }

  #begin(session: Session): void {
    this.#sessions++;
    session.once("close", () => this.#sessions--);
    session.on("subsystem", (accept, reject, { name }) => {
      if (name === "sftp" && this.#account !== null) this.#serve(accept(), this.#account);
      else reject();
    });
    session.on("exec", (accept, _reject, { command }) => {
      const channel = accept();
      channel.stderr.write(/^scp\b/u.test(command) ? oldScp : onlySftp);
      channel.exit(1);
      channel.end();
    });
  }

  #serve(channel: ServerChannel, account: Account): void {
    const { accounts, address, limits, socket } = this.#about;
    const logger = this.#logger.child({ district: account.district, source: account.source });
    const session = new SftpSession({ files: accounts.files(account, address), limits, logger });
    const served = serveSftp(channel, { session, socket, onRequest: () => this.#timer.refresh() });
    this.#channels.add(served);
    void served.ended.then(() => this.#channels.delete(served));
  }
}
