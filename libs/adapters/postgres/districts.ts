// Districts as the services see them: state and policy, which is whole whatever version of it was stored.

import type { Knex } from "knex";

import { AppError } from "../../errors.ts";
import { parsePolicy, type Policy } from "../../domain/policy.ts";
import type { DistrictState } from "../../domain/registration/reasons.ts";

/** By the names of the policy's fields; `created` for those that were never changed. */
export type PolicySince = Readonly<Record<string, number>> & { readonly created: number };

/** Times are epoch milliseconds. */
export type District = {
  readonly id: string;
  readonly name: string;
  readonly state: DistrictState;
  readonly stateSince: number;
  readonly policy: Policy;
  /** Since when a field of the policy says what it says, by the field's name. */
  readonly policySince: PolicySince;
};

type Row = {
  readonly id: string;
  readonly name: string;
  readonly state: DistrictState;
  readonly policy: unknown;
  readonly policy_since: Readonly<Record<string, number>>;
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
      "policy_since",
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
    policySince: { ...row.policy_since, created: row.created_at.getTime() },
  };
}

/** Stores a policy, and since when each field that differs says what it says. */
export async function storePolicy(
  sql: Knex.Transaction,
  { id, policy: before, policySince }: Pick<District, "id" | "policy" | "policySince">,
  { policy, at }: { readonly policy: Policy; readonly at: number },
): Promise<void> {
  const { created: _, ...since } = policySince;
  const now = new Map(Object.entries(before).map(([field, value]) => [field, JSON.stringify(value)]));
  const changed = Object.entries(policy).filter(([field, value]) => now.get(field) !== JSON.stringify(value));
  const marks = Object.fromEntries(changed.map(([field]) => [field, at]));
  await sql("districts")
    .where({ id })
    .update({ policy: JSON.stringify(policy), policy_since: JSON.stringify({ ...since, ...marks }) });
}

/** A policy as it was stored; what a version before this one did not have has its default. */
export function storedPolicy(stored: unknown): Policy {
  const parsed = parsePolicy(stored);
  if (parsed.outcome === "faults")
    throw new AppError("config.invalid", { message: `reading a stored policy: ${parsed.faults.join("; ")}` });
  return parsed.policy;
}
