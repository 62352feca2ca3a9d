// Canaries in every cell that is a person's: they arrive where rows arrive and nowhere else.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";

import t from "tap";

import { withServices } from "../../libs/cli/services.ts";
import { parseSourceId } from "../../libs/domain/ids.ts";
import { deliver } from "../../libs/ingest/deliver.ts";
import { controlTopics, districtTopic } from "../../libs/topics.ts";
import { freshDistrict, type TestDistrict, topicRecords } from "../support/pipeline.ts";

const students = 60;
const canary = /c[a4]n[a4]ry|2012-02-29/iu;
const person: Readonly<Record<string, string>> = {
  username: "canary.login",
  userIds: "{canarytype:canary-id}",
  givenName: "Canarygiven",
  familyName: "Canaryfamily",
  middleName: "Canarymiddle",
  identifier: "canary-number",
  email: "canary@mail.example",
  sms: "555-canary-1",
  phone: "555-canary-2",
  grades: "c4n4ry",
  userMasterIdentifier: "canary-master",
  preferredGivenName: "Canarypreferred",
  pronouns: "canary/canaries",
};
const secret = "S3cret-of-canary";

/** Rows of a file with cells of some columns replaced; the row with this id is found by its beginning. */
function withCells(text: string, id: string, cells: Readonly<Record<string, string>>): string {
  const names = text.slice(0, text.indexOf("\r\n")).split(",");
  return text.replace(new RegExp(`^${id},.*$`, "mu"), (line) => {
    const before = line.split(",");
    if (before.length !== names.length) throw new Error(`${id} has quoted cells`);
    return names.map((name, index) => cells[name] ?? before[index]).join(",");
  });
}

/** Ids of people whose rows have no quoted cells. */
function plainPeople(text: string): readonly string[] {
  return text
    .split("\r\n")
    .filter((line) => line.startsWith("s") && !line.includes('"') && !line.startsWith("sourcedId"))
    .map((line) => line.slice(0, line.indexOf(",")));
}

/** A set in which one person is a canary; rows that are broken in the ways that messages might quote come with it. */
function canaries(district: TestDistrict, directory: string, isBroken: boolean): string {
  return district.edited(directory, {
    "users.csv": (quoted) => {
      const text = quoted.replaceAll(/"(?<one>\{[^",]*\}),[^"]*"/gu, "$<one>");
      const [whole = "", badValue = "", twice = "", wide = ""] = plainPeople(text);
      let changed = withCells(text, whole, { ...person, password: secret });
      if (!isBroken) return changed;
      changed = withCells(changed, badValue, { ...person, enabledUser: "canary-perhaps", agentSourcedIds: "c4n4ry" });
      const line = new RegExp(`^${twice},.*$`, "mu").exec(changed)?.[0] ?? "";
      changed += `${line.replace(/,[^,]*@[^,]*,/u, ",canary2@mail.example,")}\r\n`;
      changed = changed.replace(new RegExp(`^(${wide},.*)$`, "mu"), "$1,canary-cell,canary-cell");
      return `${changed},,,true,canary.nokey,,Canary,Canary\r\n"Canary unended`;
    },
    "demographics.csv": (text) =>
      text
        .replace(/^(?<head>s\d+,[^,]*,[^,]*,)[^,]*(?<rest>.*)$/mu, "$<head>2012-02-29$<rest>")
        .replaceAll(/(?<=,)(?:Glen|Mill|Spring|River|Oak)[A-Za-z ]*(?=,)/gu, "Canarytown"),
    "manifest.csv": (text) => text.replace("source.systemCode,rollcall-sample", "source.systemCode,canary-system"),
  });
}

function filesOf(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/**
 * Everything of the tables as text, but the log, and the two that are about people: the users of the roster, and what
 * kinds of identifiers they have.
 */
async function tables({ system }: TestDistrict): Promise<readonly (readonly [table: string, text: string])[]> {
  const names: readonly string[] = await system
    .sql("pg_tables")
    .where({ schemaname: "public" })
    .whereNotIn("tablename", ["log_batches", "roster_users", "identifier_holders"])
    .pluck("tablename");
  const texts: (readonly [string, string])[] = [];
  for (const name of names) {
    const rows: readonly { readonly row: unknown }[] = await system
      .sql(name)
      .select(system.sql.raw("to_jsonb(??) as row", [name]));
    // Bytes come as hex: what they hold must be seen too.
    const text = JSON.stringify(rows).replaceAll(/\\\\x(?<hex>[0-9a-f]+)/gu, (_, hex: string) =>
      Buffer.from(hex, "hex").toString("latin1"),
    );
    texts.push([name, text]);
  }
  return texts;
}

/** Keys, headers and values of a topic as they are stored. */
async function rawTopic(
  { system }: TestDistrict,
  topic: string,
): Promise<{ readonly headers: string; readonly values: string }> {
  const extent = await system.log.extent(topic);
  const values: string[] = [];
  const headers: string[] = [];
  if (extent === null) return { headers: "", values: "" };
  const { generation, start: from, end: to } = extent;
  for await (const batch of system.log.scan({ topic, generation, from, to })) {
    for (const record of batch) {
      headers.push(Buffer.from(record.key).toString(), JSON.stringify(record.headers()));
      if (record.value !== null) values.push(Buffer.from(record.value).toString("latin1"));
    }
  }
  return { headers: headers.join("\n"), values: values.join("\n") };
}

/** Night one with a canary, a drop with broken rows, decisions of every kind, a refused set, errors. */
async function eventfulNights(district: TestDistrict): Promise<readonly unknown[]> {
  const { system, id } = district;
  const said: unknown[] = [];
  const first = await district.sample({ students });
  said.push(await district.deliver(canaries(district, first.directory, false)));
  const drop = await district.sample({ students, night: 2, scenario: "drop" });
  said.push(await district.deliver(canaries(district, first.directory, true)));
  said.push(await district.deliver(canaries(district, drop.directory, false)));
  const { version } = await district.plan();
  said.push(await district.decide("reject", version, { types: ["role"] }));
  said.push(await district.decide("approve", version, { types: ["enrollment"] }));
  said.push(await district.deliver(district.edited(first.directory, { "manifest.csv": () => "Canary,Canary\r\n" })));
  const broken = district.edited(first.directory, {
    "users.csv": (text) => text.replaceAll(/,true,|,false,/gu, ",canary-perhaps,"),
  });
  said.push(await district.deliver(broken));
  const source = parseSourceId("files");
  if (source === null) throw new Error("files is a source id");
  const handing = withServices(system, (signal) =>
    deliver(system, { district: id, source, path: first.ledger, signal }),
  );
  said.push(await handing.catch((error: unknown) => error));
  return said;
}

t.test("I10 no personal data in logs, errors, plans, notices or reports", async (t) => {
  const district = await freshDistrict(t);
  const said = await eventfulNights(district);
  t.match(
    said.map((each) => (each instanceof Error ? "error" : each)),
    [
      { outcome: "published" },
      { outcome: /published|held/u },
      { outcome: "held" },
      {},
      {},
      { outcome: "refused" },
      { outcome: "refused" },
      "error",
    ],
    "all of it happened",
  );
  t.notMatch(inspect(said, { depth: 20 }), canary, "outcomes, refusals and errors");
  t.match(district.system.logged(), /delivery read/u);
  t.notMatch(district.system.logged(), canary, "log lines");
  for (const [table, text] of await tables(district)) t.notMatch(text, canary, `the table ${table}`);
  const exceptions = await district.exceptions();
  t.ok(exceptions.length > 10, "there are exceptions");
  for (const { name: topic } of Object.values(controlTopics)) {
    const { headers, values } = await rawTopic(district, topic);
    t.notMatch(headers + values, canary, `the topic ${topic}`);
  }
  t.ok((await topicRecords(district.system, "notices")).length > 0, "there is a notice");
  for (const { delivery } of await district.system.sql("deliveries").select<{ delivery: string }[]>("id as delivery")) {
    const report = await district.report(delivery);
    t.notMatch(JSON.stringify(report), canary, `the report of ${delivery}`);
  }
  for (const kind of ["roster", "entities"] as const) {
    const { headers, values } = await rawTopic(district, districtTopic(kind, district.id));
    t.notMatch(headers, canary, `keys and headers of ${kind}`);
    t.ok(values.includes("Canarygiven"), `the person does arrive in ${kind}`);
    t.notOk(values.includes(secret), `no password in ${kind}`);
    t.notOk(/2012-02-29|Canarytown/u.test(values), `no demographics in ${kind}`);
  }
});

t.test("demographics are not even in landing unless they are switched on", async (t) => {
  for (const demographics of [false, true]) {
    const district = await freshDistrict(t, { demographics });
    const set = await district.sample({ students });
    await district.deliver(canaries(district, set.directory, false));
    const landed = filesOf(join(district.system.folder, "landing")).map((path) => readFileSync(path, "latin1"));
    t.ok(
      landed.some((text) => text.includes("Canarygiven")),
      "files are landed",
    );
    t.equal(
      landed.some((text) => text.includes("2012-02-29")),
      demographics,
      `switched on: ${demographics}`,
    );
    const { values } = await rawTopic(district, districtTopic("roster", district.id));
    t.equal(values.includes("2012-02-29"), demographics);
    const { rows } = (await district.report(`${district.id}.files.1`)).verdict.types.demographics;
    t.ok(rows > 0, "and still the report says how they are");
  }
});
