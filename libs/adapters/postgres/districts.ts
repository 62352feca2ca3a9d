// Districts as the services see them: state and policy, which is whole whatever version of it was stored.

import type { Knex } from "knex";

import { AppError } from "../../errors.ts";
import { parsePolicy, type Policy } from "../../domain/policy.ts";
import type { DistrictState } from "../../domain/registration/reasons.ts";

/** Times are epoch milliseconds. */
export type District = {
  readonly id: string;
  readonly name: string;
  readonly state: DistrictState;
  readonly stateSince: number;
  readonly policy: Policy;
  readonly policyChangedAt: number;
};

type Row = {
  readonly id: string;
  readonly name: string;
  readonly state: DistrictState;
  readonly policy: unknown;
  readonly policy_changed_at: Date;
  readonly created_at: Date;
  readonly changed_at: Date | null;
};

/** @returns null when there is no such district. @throws AppError `config.invalid` when its stored policy is damaged. */
export async function districtOf(sql: Knex, id: string): Promise<District | null> {
  const row: Row | undefined = await sql("districts")
    .where({ id })
    .first(
      "id",
      "name",
      "state",
      "policy",
      "policy_changed_at",
      "created_at",
      sql("district_states").where({ district: id }).max("changed_at").as("changed_at"),
    );
  if (row === undefined) return null;
  return {
    id: row.id,
    name: row.name,
    state: row.state,
    stateSince: (row.changed_at ?? row.created_at).getTime(),
    policy: storedPolicy(row.policy),
    policyChangedAt: row.policy_changed_at.getTime(),
  };
}

/** A policy as it was stored; what a version before this one did not have has its default. */
export function storedPolicy(stored: unknown): Policy {
  const parsed = parsePolicy(stored);
  if (parsed.outcome === "faults")
    throw new AppError("config.invalid", { message: `reading a stored policy: ${parsed.faults.join("; ")}` });
  return parsed.policy;
}
