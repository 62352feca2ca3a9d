// The steps of a district through the real launcher: what is refused and why, who is told to have decided, and that
// whatever was judged before is marked to be judged anew.

import { join } from "node:path";

import t from "tap";

import type { Database } from "../../libs/adapters/postgres/database.ts";
import { type Ended, finish } from "../support/child.ts";
import { addDistrict, freshSystem } from "../support/system.ts";

const launcher = join(import.meta.dirname, "../../bin/rollcall");
t.setTimeout(240_000);

/** A user as rosters would have stored it. */
async function storeUser(database: Database, district: string, id: string): Promise<void> {
  const empty = { user_ids: "[]", given_name: "", family_name: "", grades: [] };
  await database
    .sql("roster_users")
    .insert({ district, sourced_id: id, enabled: true, changeset: 1, changed_at: new Date(), ...empty });
}

void t.test("a district goes from setup over its pilot to its release, and each step is told and marked", async (t) => {
  const system = await freshSystem(t);
  const { sql } = system;
  await addDistrict(system, "oak");
  const env = { ROLLCALL_DATA: system.folder, DATABASE_URL: system.database.url };
  const rollcall = (...args: readonly string[]): Promise<Ended> => finish([launcher, "district", ...args], { env });
  const marks = async (): Promise<number> => {
    const row: { readonly mark: number } | undefined = await sql("registration_due").first("mark");
    return row?.mark ?? 0;
  };

  const early = await rollcall("pilot", "oak", "--teacher", "t-1");
  t.equal(early.code, 3, "refused");
  t.match(early.stdout, /no roster of oak was published yet/u);
  await storeUser(system.database, "oak", "t-1");
  await storeUser(system.database, "oak", "t-2");
  const unknown = await rollcall("pilot", "oak", "--teacher", "t-1", "t-9");
  t.match(unknown.stdout, /refused: no user of the roster has the sourcedId t-9/u);
  const unsigned = await rollcall("pilot", "oak", "--teacher", "t-1", "--json");
  t.match(JSON.parse(unsigned.stdout), { outcome: "refused", state: "setup", reason: /signOn\.issuers/u });
  t.strictSame(await sql("pilot_teachers"), [], "nobody is named by what was refused");

  const before = await marks();
  t.match(await rollcall("set", "oak", "signOn.issuers=https://id.oak.example"), { code: 0 });
  t.ok((await marks()) > before, "a changed policy marks the logins");
  const begun = await rollcall("pilot", "oak", "--teacher", "t-1", "t-2", "--by", "ann");
  t.strictSame([begun.code, begun.stdout], [0, "oak is pilot\n"]);
  t.match(await rollcall("pilot", "oak", "--teacher", "t-1"), { code: 0, stdout: "oak is pilot, as before\n" });
  t.match(await rollcall("pilot", "oak", "--teacher", "t-2", "--remove"), { stdout: "oak is pilot\n" });
  const shown: unknown = JSON.parse((await rollcall("show", "oak", "--json")).stdout);
  t.match(shown, { state: "pilot", stateBy: "ann", pilotTeachers: [{ sourcedIds: ["t-1"], namedBy: "ann" }] });
  t.match((await rollcall("show", "oak")).stdout, /oak: oak, pilot since \S+ by ann\n {2}teacher of the pilot: t-1, /u);

  const emptied = await rollcall("set", "oak", "signOn.issuers=[]");
  t.equal(emptied.code, 2, "the sign-on is not taken away any more");
  t.match(emptied.stderr, /signOn\.issuers may not be empty/u);
  t.match(await rollcall("release", "oak", "--by", "ben"), { code: 0, stdout: "oak is released\n" });
  t.match(await rollcall("pilot", "oak", "--teacher", "t-2"), { code: 3, stdout: /released does not become pilot/u });
  const left = await marks();
  t.match(await rollcall("leave", "oak"), { code: 3, stdout: /refused: from then on nobody .* add --sure/u });
  t.equal(await marks(), left, "and nothing happens");
  t.match(await rollcall("leave", "oak", "--by", "ben", "--sure"), { code: 0, stdout: "oak is leaving\n" });
  t.ok((await marks()) > left, "a step marks the logins");
  t.strictSame(
    await sql("district_states").orderBy("number").select("from_state as from", "to_state as to", "changed_by as by"),
    [
      { from: "setup", to: "pilot", by: "ann" },
      { from: "pilot", to: "released", by: "ben" },
      { from: "released", to: "leaving", by: "ben" },
    ],
  );
});
