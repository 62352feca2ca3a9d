// Logins, licenses and accounts as a stranger runs them: with the services beside each command, and with `rollcall up`.

import { readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";

import t, { type Test } from "tap";

import { outcomeOf } from "../../libs/cli/outcome.ts";
import { withServices } from "../../libs/cli/services.ts";
import { schoolYearOf } from "../../libs/cli/sets.ts";
import { openSystem } from "../../libs/cli/system.ts";
import { parseSourceId } from "../../libs/domain/ids.ts";
import { deliver } from "../../libs/ingest/deliver.ts";
import { createLogger } from "../../libs/runtime/logger.ts";
import { writeSample } from "../../libs/sample/sample.ts";
import { type Ended, finish, start } from "../support/child.ts";
import { freshDatabase } from "../support/postgres.ts";
import { addDistrict } from "../support/system.ts";

const launcher = join(import.meta.dirname, "../../bin/rollcall");
t.setTimeout(180_000);

type Place = {
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  /** Runs a command line; the words are separated by single spaces. */
  readonly run: (line: string) => Promise<Ended>;
  /** The same with `--json`, its answer read. @throws when the exit code is not 0. */
  readonly json: (line: string) => Promise<Readonly<Record<string, unknown>>>;
};

/** A folder and a database for commands. */
async function fresh(t: Test): Promise<Place> {
  const cwd = t.testdir({});
  const env = { ROLLCALL_DATA: join(cwd, "data"), DATABASE_URL: (await freshDatabase(t)).url };
  const run = async (line: string): Promise<Ended> => finish([launcher, ...line.split(" ")], { env, cwd });
  const json: Place["json"] = async (line) => {
    const { code, stdout, stderr } = await run(`${line} --json`);
    if (code !== 0) throw new Error(`rollcall ${line} ended with ${code}: ${stderr}`);
    const answer: Readonly<Record<string, unknown>> = JSON.parse(stdout);
    return answer;
  };
  return { env, cwd, run, json };
}

/** A released district `springfield` with a delivered set: made without the command line, which is quicker. */
async function delivered(t: Test): Promise<Place> {
  const place = await fresh(t);
  const path = join(place.cwd, "set");
  await writeSample({ directory: path, students: 20, schoolYear: schoolYearOf(new Date()) });
  const settings = { dataDir: place.env["ROLLCALL_DATA"] ?? "", databaseUrl: place.env["DATABASE_URL"] ?? "" };
  const system = await openSystem(settings, createLogger({ name: "test", level: "silent" }));
  const district = await addDistrict(system, "springfield", {
    signOn: { issuers: ["idp"], userIdTypes: [] },
    features: { autoRegistration: "simple" },
    emailDomains: [domainIn(place.cwd)],
  });
  await system.sql("districts").update({ state: "released" });
  const source = parseSourceId("files");
  if (source === null) throw new Error("files is a source id");
  await withServices(system, async (signal) => {
    const { id: delivery } = await deliver(system, { district, source, path, signal });
    t.match(await outcomeOf(system, { district, delivery }), { outcome: "published" });
  });
  await system.close();
  return place;
}

function domainIn(cwd: string): string {
  return teacherIn(cwd).email.split("@")[1] ?? "";
}

/** The first user with the role teacher in the set, and the NCES id of the set's district. */
function teacherIn(cwd: string): { readonly id: string; readonly email: string; readonly nces: string } {
  const rows = (file: string): readonly (readonly string[])[] =>
    readFileSync(join(cwd, "set", file), "utf8")
      .split("\n")
      .map((line) => line.split(","));
  const id = rows("enrollments.csv").find((cells) => cells[6] === "teacher")?.[5] ?? "";
  const email = rows("users.csv").find((cells) => cells[0] === id)?.[10] ?? "";
  const nces = rows("orgs.csv").find((cells) => cells[4] === "district")?.[5] ?? "";
  return { id, email, nces };
}

void t.test("A087: deliver, sign in, put a license, and the same login is active and sees its classes", async (t) => {
  const { run, json, cwd } = await fresh(t);
  await json("sample --students 20 --out set");
  await json("district add springfield");
  const policy = `signOn.issuers=["idp"] features.autoRegistration=simple emailDomains=["${domainIn(cwd)}"]`;
  await json(`district set springfield ${policy}`);
  await json("district release springfield");
  await json("deliver springfield set");
  const { id, email, nces } = teacherIn(cwd);
  const signIn = `login springfield --subject 4711 --email ${email}`;
  const before = await run(signIn);
  t.equal(before.code, 0);
  t.match(before.stdout, /inactive \(license\.none\)[^]*to the teacher: +Your school has no license yet/u);
  t.match(await json(`license put l1 --product reading --org ${nces}`), { license: "l1", orgs: [nces], seats: null });
  const after = await json(signIn);
  t.match(after, { state: "active", reason: "open", products: [{ product: "reading", status: "granted" }] });
  t.match(await json(`roster springfield ${id}`), { classes: [{ students: [{ sourcedId: /./u }] }] });
  t.match(await json("license list"), [{ license: "l1", taken: 1 }]);
  t.match(await json("license seats l1"), [{ sourcedIds: [id], district: "springfield" }]);
  t.match(await json(`roster springfield ${String(after["id"])}`), { classes: [{ students: [{}] }] }, "by login id");
  const school = await run(`login school ${String(after["id"])} ${nces}00001`);
  t.match([school.code, school.stderr], [2, /no such school/u]);
  const lines = (await run("records registrations.springfield --json")).stdout.trim().split("\n");
  const last: unknown = JSON.parse(lines.at(-1) ?? "");
  t.match(last, { key: [/^[0-9a-f-]{36}$/u, "reading"], name: /Registration$/u, value: { status: "granted" } });
  t.equal((await run(`records registrations.springfield --from ${lines.length}`)).stdout, "", "from an offset on");
  const again = await run("license put l1 --product reading --org 9999999 --seats 1");
  t.match(again.stdout, new RegExp(`, 1 seat\\n {2}it replaces .*no longer for ${nces}\\n`, "u"));
  await json(`license put l1 --product reading --org ${nces}`);
  await json("license remove l1");
  t.match(await json(`login show ${String(after["id"])}`), { state: "inactive", reason: "license.none" });
});

void t.test("A111: an account is linked by a proof and activated, and a person's decision can be undone", async (t) => {
  const { json, cwd } = await delivered(t);
  const { id: user, email } = teacherIn(cwd);
  await json("district set springfield features.autoRegistration=off");
  const { id } = await json(`login springfield --subject 4711 --email ${email}`);
  const login = String(id);
  t.match(await json(`login show ${login}`), { state: "unlinked", reason: "account.none" });
  await json("account create a1 --product reading --email someone@else.example");
  await json(`account link a1 --login ${login} --proof access-code`);
  t.match(await json(`login show ${login}`), { state: "inactive", reason: "account.inactive" });
  t.match(await json("account activate a1"), { active: true, link: { login, proof: "access-code" } });
  t.match(await json(`login show ${login}`), { state: "active" });
  t.match(await json(`login unlink ${login}`), { state: "review", reason: "match.undone" });
  t.match(await json("login list springfield --state review"), [{ id: login, candidates: [user] }]);
  t.match(await json(`login link ${login} ${user}`), { state: "active" });
  await json("account deactivate a1");
  t.match(await json(`login show ${login}`), { state: "inactive", reason: "account.inactive" });
});

void t.test("what is wrong ends with 2 and says what to do", async (t) => {
  const { run, json } = await delivered(t);
  await json("token create g --role gateway --district springfield");
  const nobody = "00000000-0000-8000-8000-000000000000";
  const cases: readonly (readonly [string, string])[] = [
    [`login show ${nobody}`, "login.unknown"],
    ["login show 1", "request.invalid"],
    ["license remove nope", "license.unknown"],
    ["license seats nope", "license.unknown"],
    ["token create l --role licensing --district springfield", "usage"],
    ["records nowhere", "usage"],
    ["login nowhere --subject 1", "district.unknown"],
    ["login springfield --subject 1 --issuer other", "login.issuer-unknown"],
    ["login springfield --subject 1 --user-id ldap", "usage"],
    ["license put l1 --product p --org 690599", "license.org"],
    ["license put l1 --product p --org 0690599 --from 2026-7-1", "license.validity"],
    ["license put l1 --product p --org 0690599 --seats many", "usage"],
    ["account show a1", "account.unknown"],
    [`account link a1 --proof access-code --login ${nobody} --issuer i`, "usage"],
    ["token create g --role operator", "token.exists"],
    ["token create h --role gateway --district nowhere", "district.unknown"],
    ["token revoke h", "token.unknown"],
  ];
  for (const [line, code] of cases) {
    const ended = await run(`${line} --json`);
    t.equal(ended.code, 2, line);
    t.match(JSON.parse(ended.stdout), { error: { code, message: /./u, remedy: /./u } }, line);
  }
});

void t.test("wrong usage of a verb below a verb ends with 2 and says where help is", async (t) => {
  const lines = ["license put l1 --product p", "token create t", "login springfield", "account link a1"];
  for (const line of [...lines, "login list springfield --state nope", "district pilot springfield", "records"]) {
    const { code, stderr } = await finish([launcher, ...line.split(" ")], { cwd: t.testdir({}) });
    t.match([code, stderr], [2, /^error: [^]*\(add --help for the arguments and an example\)/u], line);
  }
});

void t.test("a setting that is most likely not meant is set, with a warning", async (t) => {
  const { run, json, cwd } = await delivered(t);
  // It waits until what was delivered is in the tables, by which the names are known.
  await json(`roster springfield ${teacherIn(cwd).id}`);
  await json("district add shelbyville");
  const shared = await run("district set shelbyville signOn.issuers=idp");
  t.match([shared.code, shared.stdout], [0, "changed the policy of shelbyville\n"]);
  t.match(shared.stderr, /^warning: signOn\.issuers: idp is a sign-on of springfield too/u);
  t.match(await json("district set springfield orgScope=nowhere"), {
    policy: { orgScope: ["nowhere"] },
    warnings: [/orgScope: .*no organisation nowhere/u, /shelbyville too/u],
  });
  const cleared = await json("district set springfield orgScope= signOn.issuers=own ncesDistrictIds=1612340");
  t.match(cleared, { policy: { orgScope: { length: 0 }, ncesDistrictIds: ["1612340"] }, warnings: { length: 0 } });
});

void t.test("rollcall up serves the API to this user's commands and to whoever has a token", async (t) => {
  const { env, cwd, json, run } = await delivered(t);
  const { email, nces } = teacherIn(cwd);
  const up = start([launcher, "up"], { env, cwd });
  t.teardown(() => up.kill("SIGKILL"));
  await up.said("/openapi.json");
  const file = join(cwd, "data/ops.json");
  t.equal(statSync(file).mode & 0o777, 0o600);
  const place: { readonly url: string } = JSON.parse(readFileSync(file, "utf8"));
  const { token } = await json("token create gateway-1 --role gateway");
  const headers = { authorization: `Bearer ${String(token)}`, "content-type": "application/json" };
  const event = { eventId: "e1", issuer: "idp", subject: "4711", at: Date.now(), email };
  const answered = await fetch(`${place.url}/logins`, { method: "POST", headers, body: JSON.stringify(event) });
  const told: { readonly id?: string } = JSON.parse(await answered.text());
  t.match([answered.status, told], [202, { state: "inactive", reason: "license.none" }]);
  await json(`license put l1 --product reading --org ${nces}`);
  t.match(await json(`login show ${told.id ?? ""}`), { state: "active" });
  await json("token revoke gateway-1");
  t.equal((await fetch(`${place.url}/logins/${told.id ?? ""}`, { headers })).status, 401);
  up.kill("SIGTERM");
  const { code, stderr } = await up.ended;
  t.equal(code, 0);
  t.notMatch(stderr, email);
  t.throws(() => statSync(file), { code: "ENOENT" });
  t.match((await run(`login show ${told.id ?? ""}`)).stdout, "active", "without it, as before");
});

void t.test("a port that is taken is told, with the setting to change", async (t) => {
  const cwd = t.testdir({});
  const server = createServer().listen(0, "127.0.0.1");
  t.teardown(() => server.close());
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? String(address.port) : "";
  const database = { ROLLCALL_DATA: join(cwd, "data"), DATABASE_URL: (await freshDatabase(t)).url };
  const ended = await finish([launcher, "up"], { env: { ...database, ROLLCALL_HTTP_PORT: port }, cwd });
  t.equal(ended.code, 1);
  t.match(ended.stderr, new RegExp(`port ${port}\\n.*ROLLCALL_HTTP_PORT`, "u"));
  const wrong = await finish([launcher, "up"], { env: { ...database, ROLLCALL_HTTP_PORT: "http" }, cwd });
  t.equal(wrong.code, 2);
});
