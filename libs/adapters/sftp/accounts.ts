// The accounts of the SFTP server as PostgreSQL has them: one per source of the kind `sftp`, with any number of passwords
// and keys at once, so that one can take the place of another without a night in between.

import type { Knex } from "knex";

import { type DistrictId, parseDistrictId, parseSourceId, type SourceId } from "../../domain/ids.ts";
import { isAppError } from "../../errors.ts";
import { districtOf } from "../postgres/districts.ts";
import { mostPasswords } from "../postgres/sftp-credentials.ts";
import { type Source, sourceOf } from "../postgres/sources.ts";
import { auditSftp } from "./audit.ts";
import type { Account, AuditEvent, DistrictFiles, Proof, SftpAccounts } from "./district-files.ts";
import { isPassword } from "./password.ts";
import { fingerprintOf } from "./public-key.ts";

const usualSource = "sftp";
const mostAddresses = 1000;

/** The name by which a source's account signs in: the district's, and the source's where it is not the usual one. */
export function usernameOf(district: DistrictId, source: SourceId): string {
  return source === usualSource ? district : `${district}.${source}`;
}

type Secret = { readonly id: number; readonly secret: string };

export class PostgresAccounts implements SftpAccounts {
  readonly #sql: Knex;
  readonly #files: (account: Account, address: string) => DistrictFiles;

  constructor(about: { readonly sql: Knex; readonly files: (account: Account, address: string) => DistrictFiles }) {
    this.#sql = about.sql;
    this.#files = about.files;
  }

  async find(username: string): Promise<Account | null> {
    const [districtText = "", sourceText = usualSource, ...rest] = username.split(".");
    const district = parseDistrictId(districtText);
    const source = parseSourceId(sourceText);
    if (district === null || source === null || rest.length > 0) return null;
    return this.#account(district, source);
  }

  async accepts(account: Account | null, proof: Proof): Promise<number | null> {
    const used = proof.kind === "password" ? await this.#byPassword(account, proof) : await this.#byKey(account, proof);
    if (used === null) return null;
    if (proof.kind === "password" || proof.isProven)
      await this.#sql("sftp_credentials").where({ id: used.id }).update({ last_used_at: this.#sql.fn.now() });
    return used.id;
  }

  async recall({ district, source }: Account, credential: number): Promise<Account | null> {
    const kept: unknown = await this.#sql("sftp_credentials").where({ id: credential, district, source }).first("id");
    return kept === undefined ? null : this.#account(district, source);
  }

  async signedInFrom({ district, source }: Account): Promise<readonly string[]> {
    return this.#sql("sftp_audit")
      .where({ district, source, event: "login" })
      .whereRaw("at > now() - interval '30 days'")
      .distinct()
      .limit(mostAddresses)
      .pluck("address");
  }

  files(account: Account, address: string): DistrictFiles {
    return this.#files(account, address);
  }

  audit(event: AuditEvent): Promise<void> {
    return auditSftp(this.#sql, event);
  }

  async #account(district: DistrictId, source: SourceId): Promise<Account | null> {
    const found = await this.#source(district, source);
    if (found === null || found.kind !== "sftp" || !found.isEnabled) return null;
    // What a district that is leaving would upload nobody would read.
    if ((await districtOf(this.#sql, district))?.state === "leaving") return null;
    return { district, source, addresses: found.settings.addresses };
  }

  async #source(district: DistrictId, source: SourceId): Promise<Source | null> {
    try {
      return await sourceOf(this.#sql, district, source);
    } catch (thrown) {
      if (isAppError(thrown, "source.unknown")) return null;
      throw thrown;
    }
  }

  async #byPassword(account: Account | null, { password }: { readonly password: string }): Promise<Secret | null> {
    const secrets = account === null ? [] : await this.#secrets(account, { kind: "password" });
    for (const each of secrets) if (await isPassword(password, each.secret)) return each;
    // What is refused takes as long for every name.
    for (let tried = secrets.length; tried < mostPasswords; tried++) await isPassword(password, null);
    return null;
  }

  async #byKey(account: Account | null, { data }: { readonly data: Uint8Array }): Promise<Secret | null> {
    if (account === null) return null;
    const [known] = await this.#secrets(account, { kind: "key", fingerprint: fingerprintOf(data) });
    return known ?? null;
  }

  /** The newest first: it is the one in use. */
  async #secrets(
    { district, source }: Account,
    which: { readonly kind: Proof["kind"]; readonly fingerprint?: string },
  ): Promise<readonly Secret[]> {
    return this.#sql("sftp_credentials")
      .where({ district, source, ...which })
      .orderBy("id", "desc")
      .select("id", "secret");
  }
}
