// What rows of different files say together, and what they say beside the district's policy: roles of users, primary
// teachers, agents, dates, NCES ids, domains of email addresses.
// It keeps true that each check needs a few numbers per key, and that none of them refuses a row: they are told.

import { unreachable } from "../domain/assert.ts";
import { isVerified, normalName } from "../domain/identity.ts";
import { grown, KeyTable, lengthFor } from "../domain/key-table.ts";
import { isShortNcesId, isWholeNcesId } from "../domain/nces.ts";
import type { Enrollment } from "../domain/oneroster/enrollment.ts";
import type { Entity } from "../domain/oneroster/entities.ts";
import type { Org } from "../domain/oneroster/org.ts";
import type { Role } from "../domain/oneroster/role.ts";
import type { Policy } from "../domain/policy.ts";
import type { Column, FileFindings } from "./finding-log.ts";
import type { ReferenceCheck } from "./references.ts";
import { idFingerprint, mark, type TypeState } from "./type-state.ts";

export type States = { readonly user: TypeState; readonly class: TypeState; readonly org: TypeState };

/** The file whose rows are checked. */
export type CheckedFile = {
  readonly findings: FileFindings;
  readonly references: ReferenceCheck;
  /** By the standard's name of the column, in lower case. */
  readonly columns: ReadonlyMap<string, Column>;
  /** Whether demographics can be judged: the users were read whole. */
  readonly usersWhole: boolean;
};

/** Checks across files, told row by row; the states of the types stay its memory. */
export class Semantics {
  readonly #states: States;
  /** Pairs of user and org with a primary role: 31 bytes for each. */
  readonly #primaryRoles = new KeyTable();
  /** Per class: the window of its last primary teacher, as yyyymmdd; an end of zero means that there was none. */
  #begins = new Int32Array(1024);
  #ends = new Int32Array(1024);
  readonly #pair = new Uint32Array(4);
  readonly #second = new Uint32Array(4);

  readonly #policy: Pick<Policy, "features" | "emailDomains">;

  constructor(states: States, policy: Pick<Policy, "features" | "emailDomains">) {
    this.#states = states;
    this.#policy = policy;
  }

  /** Of a row that was accepted, with references checked and marks set. */
  check(entity: Entity, entry: number, line: number, file: CheckedFile): void {
    switch (entity.type) {
      case "academicSession":
        dateOrder(entity.startDate, entity.endDate, line, file);
        return;
      case "user":
        this.#primaryOrg(entity.primaryOrgSourcedId, entry, line, file);
        this.#emailDomain(entity.email, line, file);
        if (entity.agentSourcedIds.includes(entity.sourcedId)) {
          file.findings.add("sem.agent_self", line, file.columns.get("agentsourcedids") ?? null);
        }
        return;
      case "role":
        dateOrder(entity.beginDate, entity.endDate, line, file);
        this.#role(entity, line, file);
        return;
      case "enrollment":
        dateOrder(entity.beginDate, entity.endDate, line, file);
        this.#enrollment(entity, line, file);
        return;
      case "demographics":
        if (file.usersWhole && this.#states.user.find(entity.sourcedId) < 0) {
          file.findings.add("sem.demographics_user", line, file.columns.get("sourcedid") ?? null);
        }
        return;
      case "org":
        this.#ncesId(entity, line, file);
        return;
      case "course":
      case "class":
      case "resource":
      case "classResource":
      case "courseResource":
        return;
      default:
        unreachable(entity);
    }
  }

  /** After roles.csv was read whole beside a whole users.csv: users without a role. */
  finishRoles(users: FileFindings, primaryOrg: Column | null): void {
    const { user } = this.#states;
    for (let entry = 0; entry < user.keys.size; entry++) {
      if (!user.has(entry, mark.content) || user.has(entry, mark.claimed)) continue;
      const line = user.lines[entry] ?? 0;
      if (!user.has(entry, mark.hasRole)) users.add("sem.user_role_missing", line);
      else if ((user.own[entry] ?? 0) > 0 && !user.has(entry, mark.hasPrimaryOrg)) {
        users.add("sem.primary_org", line, primaryOrg);
      }
    }
  }

  /** Schools without an NCES id (A090). One that has lost a digit is told by itself. */
  #ncesId({ orgType, identifier }: Org, line: number, file: CheckedFile): void {
    if (this.#policy.features.autoRegistration === "off" || orgType !== "school") return;
    const id = identifier ?? "";
    if (id.length < 11 || !(isWholeNcesId(id) || isShortNcesId(id)))
      file.findings.add("org.nces_missing", line, file.columns.get("identifier") ?? null);
  }

  /** Addresses outside the domains that are known to be the district's (C025, C026). */
  #emailDomain(email: string | null, line: number, file: CheckedFile): void {
    const { emailDomains } = this.#policy;
    if (email === null || emailDomains.length === 0 || isVerified(normalName(email), emailDomains)) return;
    file.findings.add("user.email_domain", line, file.columns.get("email") ?? null);
  }

  #primaryOrg(id: string | null, entry: number, line: number, file: CheckedFile): void {
    if (id === null) return;
    const org = file.references.one("primaryOrgSourcedId", id, line);
    if (org >= 0) this.#states.user.setOwn(entry, org + 1);
  }

  #role(role: Role, line: number, file: CheckedFile): void {
    const { user } = this.#states;
    const who = file.references.one("userSourcedId", role.userSourcedId, line);
    const org = file.references.one("orgSourcedId", role.orgSourcedId, line);
    if (who >= 0) {
      user.set(who, mark.hasRole);
      if (org >= 0 && user.own[who] === org + 1) user.set(who, mark.hasPrimaryOrg);
    }
    if (role.roleType !== "primary") return;
    idFingerprint(role.userSourcedId, this.#pair);
    idFingerprint(role.orgSourcedId, this.#second);
    // Turned by one word, so that user and org do not commute.
    for (let i = 0; i < 4; i++) this.#pair[i] = (this.#pair[i] ?? 0) ^ (this.#second[(i + 1) & 3] ?? 0);
    const before = this.#primaryRoles.size;
    if (this.#primaryRoles.insert(this.#pair) < before) {
      file.findings.add("sem.one_primary_role", line, file.columns.get("roletype") ?? null);
    }
  }

  #enrollment(row: Enrollment, line: number, file: CheckedFile): void {
    const { references } = file;
    const entry = references.one("classSourcedId", row.classSourcedId, line);
    references.one("userSourcedId", row.userSourcedId, line);
    if (row.primary !== true) return;
    const begin = row.beginDate === null ? 0 : dayOf(row.beginDate);
    const end = row.endDate === null ? 99_999_999 : dayOf(row.endDate);
    if (row.role !== "teacher" || (entry >= 0 && this.#overlaps(entry, begin, end))) {
      file.findings.add("sem.primary_teacher", line, file.columns.get("primary") ?? null);
    }
  }

  /** Whether the class had a primary teacher in this window; it is the class's window from now on. */
  #overlaps(entry: number, begin: number, end: number): boolean {
    if (entry >= this.#ends.length) {
      const length = lengthFor(entry, this.#ends.length);
      this.#begins = grown(this.#begins, length);
      this.#ends = grown(this.#ends, length);
    }
    const overlaps = begin < (this.#ends[entry] ?? 0) && (this.#begins[entry] ?? 0) < end;
    this.#begins[entry] = begin;
    this.#ends[entry] = end;
    return overlaps;
  }
}

function dateOrder(begin: string | null, end: string | null, line: number, file: CheckedFile): void {
  if (begin === null || end === null || begin < end) return;
  file.findings.add("sem.date_order", line, file.columns.get("enddate") ?? null);
}

/** `2024-08-15` as 20240815. */
function dayOf(date: string): number {
  return Number(date.slice(0, 4)) * 10_000 + Number(date.slice(5, 7)) * 100 + Number(date.slice(8, 10));
}
