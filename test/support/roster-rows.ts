// A district whose roster is put straight into the tables, as the service of rosters puts it: for what registration makes of it.

import { identifierHash, markRegistrationDue } from "../../libs/adapters/postgres/people.ts";
import { identifiersOf } from "../../libs/domain/identity.ts";
import { defaultPolicy, type Policy } from "../../libs/domain/policy.ts";
import { issuer } from "./people.ts";
import { addDistrict, freshSystem, type TestSystem } from "./system.ts";
import type { Teardown } from "./teardown.ts";

export const school = "060000100001";
export const peoplePolicy: Partial<Policy> = {
  ...defaultPolicy,
  features: { autoRegistration: "simple" },
  signOn: { issuers: [issuer], userIdTypes: [] },
  emailDomains: ["oak.example"],
};
const place = { changeset: 1, changed_at: new Date(0), delivery: "oak.files.1", origin: "users.csv:2" };

type Teacher = { readonly id: string; readonly email: string | null; readonly enabled?: boolean };

/** Puts a teacher into the roster as the service of rosters does. */
export async function putTeacher(
  system: TestSystem,
  district: string,
  { id, email, enabled = true }: Teacher,
): Promise<void> {
  await system.sql.transaction(async (trx) => {
    await trx("roster_orgs")
      .insert({ district, sourced_id: "o1", name: "Oak", org_type: "school", identifier: school, ...place })
      .onConflict(["district", "sourced_id"])
      .ignore();
    const user = { enabled, username: id, user_ids: "[]", given_name: "G", family_name: "F", email, grades: [] };
    await trx("roster_users")
      .insert({ district, sourced_id: id, ...user, ...place })
      .onConflict(["district", "sourced_id"])
      .merge();
    await trx("roster_roles")
      .insert({
        district,
        sourced_id: `${id}-r`,
        user_id: id,
        role: "teacher",
        role_type: "primary",
        org_id: "o1",
        ...place,
      })
      .onConflict(["district", "sourced_id"])
      .ignore();
    for (const { kind, value } of identifiersOf({ sourcedId: id, userIds: [], username: id, email }))
      await trx("identifier_holders")
        .insert({ district, kind, value_hash: identifierHash(kind, value), sourced_id: id })
        .onConflict(["district", "kind", "value_hash", "sourced_id"])
        .ignore();
    await markRegistrationDue(trx, district);
  });
}

/** A system with the released district oak. */
export async function freshPeople(t: Teardown): Promise<TestSystem> {
  const system = await freshSystem(t);
  await addDistrict(system, "oak", peoplePolicy);
  await system.sql("districts").update({ state: "released" });
  return system;
}
