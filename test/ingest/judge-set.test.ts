// What the sink is told of a set: which keys have content, which are absent, and of which nothing certain is known.

import t from "tap";

import { openSet } from "../../libs/adapters/oneroster/set-reader.ts";
import { defaultPolicy, type Policy } from "../../libs/domain/policy.ts";
import { type Judged, judgeSet } from "../../libs/ingest/judge-set.ts";
import { renderReport, reportOf } from "../../libs/ingest/report.ts";
import { setOf } from "../support/drops.ts";
import { RecordingSink } from "./recording-sink.ts";

async function judge(
  name: string,
  options: { readonly policy?: Policy; readonly keep?: number } = {},
): Promise<{ readonly judged: Judged; readonly sink: RecordingSink }> {
  const set = await openSet(new URL(`../fixtures/${name}`, import.meta.url).pathname);
  const sink = new RecordingSink();
  const judged = await judgeSet({ set, policy: defaultPolicy, sink, ...options });
  set.close();
  return { judged, sink };
}

void t.test("a broken users row never makes a person absent, whichever way it is broken", async (t) => {
  const ways = [
    { name: "users-row-bad-value", says: "unknown", claimed: 1, suspended: false, absence: true },
    { name: "users-row-duplicate", says: "unknown", claimed: 1, suspended: false, absence: true },
    { name: "users-row-unreadable-key", says: undefined, claimed: 0, suspended: true, absence: false },
  ] as const;
  for (const { name, says, claimed, suspended, absence } of ways) {
    const { judged, sink } = await judge(name);
    const { user } = judged.verdict.types;
    t.equal(sink.says("user", "u3"), says, name);
    t.match(user, { claimed, suspended, absence }, name);
    t.equal(sink.says("user", "u2"), "content", `${name} leaves other users alone`);
    t.ok(
      judged.groups.some((group) => group.file === "users.csv" && group.severity === "error"),
      `${name} is told`,
    );
    t.notOk(
      sink.calls.some((call) => call.startsWith("absent")),
      name,
    );
  }
});

void t.test("duplicates that differ override content that was sent, and the roles derived from it", async (t) => {
  const { sink, judged } = await judge("v11-duplicate-user-with-roles");
  t.equal(sink.says("user", "u3"), "unknown");
  t.equal(sink.says("role", "~u3~student~s1"), "unknown", "sent as content from the first row");
  t.equal(sink.says("role", "~u2~student~s1"), "content");
  t.match(judged.verdict.types.user, { rows: 5, entities: 3, rejects: 2, claimed: 1 });
  t.match(judged.verdict.types.role, { mode: "bulk", derived: true, absence: true });
});

void t.test("a repeated row is one entity", async (t) => {
  const { sink, judged } = await judge("repeated-row");
  t.equal(sink.calls.filter((call) => call.startsWith("content enrollment e2 ")).length, 1);
  t.match(judged.verdict.types.enrollment, { rows: 5, entities: 4, repeats: 1, rejects: 0 });
});

void t.test("parents are sent before children, and members of a cycle all the same", async (t) => {
  const { sink } = await judge("semantic-doubts");
  const order = sink.calls.flatMap((call) => (call.startsWith("content org ") ? [call.split(" ")[2]] : []));
  t.strictSame(new Set(order), new Set(["d1", "o1", "o2", "s1", "s2"]));
  t.ok(order.indexOf("d1") < order.indexOf("s1"));
});

void t.test("a delta says content and absent, and nothing of what it does not mention", async (t) => {
  const { sink, judged } = await judge("v12-delta");
  t.equal(sink.says("enrollment", "e3"), "absent");
  t.equal(sink.says("enrollment", "e5"), "content");
  t.equal(sink.says("enrollment", "e1"), undefined);
  t.equal(judged.verdict.types.enrollment.absence, false);
});

void t.test(
  "a delta whose manifest has a wrong name is refused: read as everything it would delete the rest",
  async (t) => {
    const files = setOf("v12-delta");
    const manifest = files.get("manifest.csv") ?? "";
    files.delete("manifest.csv");
    const set = await openSet(t.testdir(Object.fromEntries(files.set("Manifest.csv", manifest))));
    const sink = new RecordingSink();
    const { verdict } = await judgeSet({ set, policy: { ...defaultPolicy, manifestOptional: true }, sink });
    t.match(verdict, {
      outcome: "refused",
      refusal: /^The set has no manifest\.csv, but a file whose name comes near/u,
    });
    t.same(sink.calls, []);
  },
);

void t.test("demographics reach the sink only where the policy says so", async (t) => {
  const off = await judge("semantic-doubts");
  t.equal(off.sink.says("demographics", "u77"), undefined);
  t.match(off.judged.verdict.types.demographics, { rows: 1, withheld: true, absence: false });
  const on = await judge("semantic-doubts", { policy: { ...defaultPolicy, demographics: true } });
  t.equal(on.sink.says("demographics", "u77"), "content");
  t.match(on.judged.verdict.types.demographics, { withheld: false, absence: true });
});

void t.test("a header-only file refuses the set only where the district's features need it", async (t) => {
  const name = "header-only-orgs-and-courses";
  t.equal((await judge(name)).judged.verdict.outcome, "accepted");
  const { judged } = await judge(name, { policy: { ...defaultPolicy, features: { autoRegistration: "simple" } } });
  t.match(judged.verdict.refusal, "orgs.csv has no row");
  t.equal(judged.verdict.types.user.absence, false, "a refused set deletes nothing");
});

void t.test("a set without a manifest is refused where the policy demands one", async (t) => {
  const policy = { ...defaultPolicy, manifestOptional: false };
  t.match((await judge("v11-no-manifest-five-files", { policy })).judged.verdict.refusal, "no manifest.csv");
});

void t.test("the report counts all, lists what it may, and tells no value of a cell", async (t) => {
  const { judged } = await judge("tolerated-irregularities", { keep: 1 });
  const report = reportOf(judged);
  const group = report.groups.find(({ code, file }) => code === "row.boolean_case" && file === "users.csv");
  t.match(group, { count: 4, more: 3 });
  t.equal(group?.listed.length, 1);
  const text = renderReport(report);
  t.match(text, "Strict report");
  t.match(text, "accepted all the same: ");
  for (const value of ["Moreno", "Okafor", "ben.okafor", "TRUE", "west"]) {
    t.notOk(text.includes(value), value);
    t.notOk(JSON.stringify(report).includes(value), value);
  }
});
