// Who may sign in. It keeps true that a name, an address or a key that is no account's costs and tells as much as a wrong
// password, that guessing is slowed and then refused, and that every refusal leaves a row that tells why.

import { setTimeout as sleep } from "node:timers/promises";

import type { AuthContext } from "ssh2";

import { isInNetworks } from "../networks.ts";
import type { Account, Proof, SftpAccounts } from "./district-files.ts";
import { peerOf } from "./peers.ts";
import { fingerprintOf, isSigned } from "./public-key.ts";
import type { SftpLimits } from "./server.ts";
import { Throttle } from "./throttle.ts";

const freeFailures = 3;
const mostNames = 10_000;
/** Refusals of passwords are answered after a multiple of it. */
const refusalStepMs = 250;

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
    // An account is not slowed, so that others cannot keep its owner out: at last its passwords are refused to strangers.
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
    const peer = peerOf(address);
    const delayMs = this.#byAddress.delayMs(peer);
    // That it was refused was written when it began; to write each would let strangers fill the disk.
    if (delayMs === null) return refused;
    if (delayMs > 0) await sleep(delayMs, undefined, { ref: false });
    const since = performance.now();
    const { account, isWelcome } = await this.#find(username, address);
    const isTried = account !== null && isWelcome && (await this.#takesPasswords(account, peer));
    const credential = await this.#accounts.accepts(isTried ? account : null, { kind: "password", password });
    if (account !== null && credential !== null) {
      this.#byAddress.succeeded(peer);
      return { outcome: "signed-in", account, means: "password", credential };
    }
    const failures = this.#byAddress.failed(peer);
    if (account !== null && isTried) this.#byName.failed(nameOf(account));
    const why = account === null ? "unknown name" : reasonOf({ isWelcome, isTried });
    const until = failures >= this.#mostByAddress ? "; no more passwords are taken from this address for a while" : "";
    await this.#accounts.audit({ event: "refused", account, address, reason: `${why}${until}` });
    // A name that is an account's takes a few questions to the database more: that shall not be seen.
    await sleep(refusalStepMs - ((performance.now() - since) % refusalStepMs), undefined, { ref: false });
    return refused;
  }

  /** Others who guess do not keep an account's owner out: where it signed in from of late it still may. */
  async #takesPasswords(account: Account, peer: string): Promise<boolean> {
    if (this.#byName.delayMs(nameOf(account)) !== null) return true;
    return (await this.#accounts.signedInFrom(account)).some((address) => peerOf(address) === peer);
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
    const peer = peerOf(address);
    if (this.#byAddress.delayMs(peer) === null) return refused;
    this.#byAddress.failed(peer);
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

/** One for each account, which has several names to sign in with. */
function nameOf({ district, source }: Account): string {
  return `${district}.${source}`;
}

function reasonOf({ isWelcome, isTried }: { readonly isWelcome: boolean; readonly isTried: boolean }): string {
  if (!isWelcome) return "address not allowed";
  return isTried ? "wrong password" : "too many wrong passwords for this account of late";
}

function isWelcomeTo({ addresses }: Account, address: string): boolean {
  return addresses.length === 0 || isInNetworks(address, addresses);
}
