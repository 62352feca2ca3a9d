// What housekeeping forgets of the SFTP server and of sets.

import { randomUUID } from "node:crypto";

import t from "tap";

import { tidyUp } from "../../../libs/runtime/housekeeping.ts";
import { addDistrict, freshSystem } from "../../support/system.ts";

t.setTimeout(120_000);

t.test(
  "events and ended sets go after ninety days, but a source's newest set and what may still be told",
  async (t) => {
    const system = await freshSystem(t);
    await addDistrict(system, "oak");
    await addDistrict(system, "elm");
    const { sql } = system;
    const ago = (days: number): ReturnType<typeof sql.raw> => sql.raw("now() - ? * interval '1 day'", [days]);
    for (const district of ["oak", "elm"]) await sql("sources").insert({ district, id: "sftp", kind: "sftp" });
    for (const [reason, days] of [
      ["old", 91],
      ["young", 89],
    ] as const)
      await sql("sftp_audit").insert({ district: "oak", address: "::1", event: "refused", reason, at: ago(days) });
    const set = (district: string, reason: string, days: number, more: object = {}): Promise<unknown> => {
      const at = { complete_at: ago(days), taken_at: ago(days), ended_at: ago(days) };
      const row = { id: randomUUID(), district, source: "sftp", state: "delivered", files: "[]", reason };
      return sql("drop_sets").insert({ ...row, ...at, ...more });
    };
    await set("oak", "old", 92);
    await set("oak", "held", 92, { plan: JSON.stringify({ state: "open" }) });
    await set("oak", "being read", 92, { state: "taken", ended_at: null });
    await set("oak", "young", 89);
    await set("elm", "old", 93);
    await set("elm", "the newest", 92);
    await tidyUp(system, new AbortController().signal);
    t.strictSame(await sql("sftp_audit").pluck("reason"), ["young"]);
    const left: readonly string[] = await sql("drop_sets").pluck("reason");
    t.strictSame(left.toSorted(), ["being read", "held", "the newest", "young"]);
  },
);
