// Who may sign in. It keeps true that a name, an address or a key that is no account's costs and tells as much as a wrong
// password, that guessing is slowed and then refused, and that every refusal leaves a row that tells why.

import { setTimeout as sleep } from "node:timers/promises";

import type { AuthContext } from "ssh2";

import { isInNetworks } from "../networks.ts";
import type { Account, Proof, SftpAccounts } from "./district-files.ts";
import { fingerprintOf, isSigned } from "./public-key.ts";
import type { SftpLimits } from "./server.ts";
import { Throttle } from "./throttle.ts";

const freeFailures = 3;
const mostNames = 10_000;

/** `signed-in`: as this account, by this means; `key`: the client may go on and sign; `refused`: nothing of that. */
export type LoginOutcome =
  | {
      readonly outcome: "signed-in";
      readonly account: Account;
      readonly means: string;
      readonly credential: number;
    }
  | { readonly outcome: "key" }
  | { readonly outcome: "refused" };

export type SignedIn = { readonly account: Account; readonly credential: number; readonly address: string };

const refused = { outcome: "refused" } as const;

export class Login {
  readonly #accounts: SftpAccounts;
  readonly #byAddress: Throttle;
  readonly #byName: Throttle;
  readonly #mostByAddress: number;

  constructor(accounts: SftpAccounts, limits: SftpLimits) {
    const now = (): number => performance.now();
    const common = { windowMs: limits.failureWindowMs, freeFailures, mostNames };
    this.#accounts = accounts;
    this.#mostByAddress = limits.failuresPerAddress;
    this.#byAddress = new Throttle({ ...common, mostFailures: limits.failuresPerAddress }, now);
    // An account is not slowed, so that others cannot keep its owner out: it is refused at last, and only its passwords.
    this.#byName = new Throttle(
      { ...common, freeFailures: limits.failuresPerAccount, mostFailures: limits.failuresPerAccount },
      now,
    );
  }

  /** @throws what the store of accounts throws. */
  async try(context: AuthContext, address: string): Promise<LoginOutcome> {
    if (context.method === "password") return this.#byPassword(context, address);
    if (context.method === "publickey") return this.#byKey(context, address);
    return refused;
  }

  /**
   * Whether who signed in may stay: the account and its credential are there still, and the address is allowed.
   * @throws what the store of accounts throws.
   */
  async holds({ account, credential, address }: SignedIn): Promise<boolean> {
    const now = await this.#accounts.recall(account, credential);
    return now !== null && isWelcomeTo(now, address);
  }

  async #byPassword(
    { username, password }: { readonly username: string; readonly password: string },
    address: string,
  ): Promise<LoginOutcome> {
    const delayMs = this.#byAddress.delayMs(address);
    // That it was refused was written when it began; to write each would let strangers fill the disk.
    if (delayMs === null || this.#byName.delayMs(username) === null) return refused;
    if (delayMs > 0) await sleep(delayMs, undefined, { ref: false });
    const { account, isWelcome } = await this.#find(username, address);
    const credential = await this.#accounts.accepts(isWelcome ? account : null, { kind: "password", password });
    if (account !== null && credential !== null) {
      this.#byAddress.succeeded(address);
      return { outcome: "signed-in", account, means: "password", credential };
    }
    const failures = this.#byAddress.failed(address);
    if (isWelcome && account !== null) this.#byName.failed(username);
    const why = account === null ? "unknown name" : isWelcome ? "wrong password" : "address not allowed";
    const until = failures >= this.#mostByAddress ? "; no more passwords are taken from this address for a while" : "";
    await this.#accounts.audit({ event: "refused", account, address, reason: `${why}${until}` });
    return refused;
  }

  async #byKey(
    context: Extract<AuthContext, { readonly method: "publickey" }>,
    address: string,
  ): Promise<LoginOutcome> {
    const { algo: algorithm, data } = context.key;
    const { account, isWelcome } = await this.#find(context.username, address);
    const proof = (isProven: boolean): Proof => ({ kind: "key", data, isProven });
    const { signature, blob, hashAlgo: hash } = context;
    if (signature === undefined || blob === undefined) {
      const known = await this.#accounts.accepts(isWelcome ? account : null, proof(false));
      return known !== null ? { outcome: "key" } : refused;
    }
    const isProven = isSigned({ algorithm, data, hash, blob, signature });
    const credential = isWelcome && isProven ? await this.#accounts.accepts(account, proof(true)) : null;
    if (account !== null && credential !== null)
      return { outcome: "signed-in", account, means: `key ${fingerprintOf(data)}`, credential };
    const reason = isWelcome ? "wrong key" : "address not allowed";
    if (this.#byAddress.delayMs(address) === null) return refused;
    this.#byAddress.failed(address);
    await this.#accounts.audit({ event: "refused", account, address, reason });
    return refused;
  }

  async #find(
    username: string,
    address: string,
  ): Promise<{ readonly account: Account | null; readonly isWelcome: boolean }> {
    const account = await this.#accounts.find(username);
    return { account, isWelcome: account === null || isWelcomeTo(account, address) };
  }
}

function isWelcomeTo({ addresses }: Account, address: string): boolean {
  return addresses.length === 0 || isInNetworks(address, addresses);
}
