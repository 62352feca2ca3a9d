// How long a teacher waits: from a login to the teacher's record on teacher-rosters.<district>, with all services at
// work in one process, one login after the other and many at once, on both logs.
// It keeps true that every figure has its peer from the same run: the round trip of one record that is appended by a
// transaction and read back, which no service can undercut.
//
//   BENCH_LOGIN_STUDENTS  students of the district, 10,000 unless given
//   BENCH_LOGINS          logins one after the other, 150 unless given
//   BENCH_FOLDER          where the temporary folder is made

import { mkdir } from "node:fs/promises";
import { join } from "node:path";

import { loginId } from "../libs/adapters/postgres/people.ts";
import { schoolYearOf } from "../libs/cli/sets.ts";
import { services, withServices } from "../libs/cli/services.ts";
import { outcomeOf } from "../libs/cli/outcome.ts";
import type { System } from "../libs/cli/system.ts";
import type { DistrictId } from "../libs/domain/ids.ts";
import { defaultPolicy, type Policy } from "../libs/domain/policy.ts";
import { deliver } from "../libs/ingest/deliver.ts";
import { writeSample } from "../libs/sample/sample.ts";
import { controlKey, controlTopics, districtTopic } from "../libs/topics.ts";
import { serveApi, type ServedApi } from "../services/ops/service.ts";
import { countFromEnv, machine, namesOf, onGround, optionsFromEnv, say, type Way, withSystem } from "./ground.ts";
import { RosterWatch } from "./roster-watch.ts";
import { type Cell, markdown, quantile, ratio, report } from "./table.ts";

const issuer = "https://id.bench.example";
const burstMost = 100;
const warmUp = 20;

type Options = { readonly students: number; readonly logins: number };
type Bench = { readonly system: System; readonly district: DistrictId; readonly watch: RosterWatch };
type Line = { readonly what: string; readonly ms: readonly number[] };
type Measured = { readonly log: Way["log"]; readonly lines: readonly Line[] };

async function main(): Promise<void> {
  const students = countFromEnv("BENCH_LOGIN_STUDENTS", 10_000);
  const logins = countFromEnv("BENCH_LOGINS", 150);
  await onGround(optionsFromEnv().parent, async ({ postgres, kafka }) => {
    const measured: Measured[] = [];
    for (const { log, settings } of kafka === null ? [postgres] : [postgres, kafka]) {
      say(`delivering a district of ${students} students on ${log}`);
      await withSystem(settings, (system) =>
        withServices(system, async (signal) => {
          const options = { students, logins };
          measured.push({ log, lines: await measure(system, options, { folder: settings.dataDir, signal }) });
        }),
      );
    }
    await tell(students, measured);
  });
}

async function measure(
  system: System,
  options: Options,
  { folder, signal }: { readonly folder: string; readonly signal: AbortSignal },
): Promise<readonly Line[]> {
  const district = await deliveredDistrict(system, options, { folder, signal });
  const teachers = await teachersOf(system, district);
  // A small district has fewer teachers than logins were asked for.
  const share = Math.min(1, teachers.length / (warmUp + 2 * options.logins + 2 * burstMost));
  const logins = Math.floor(options.logins * share);
  const burst = Math.floor(burstMost * share);
  const api = await serveApi(
    { ...system, serviceNames: services(system).map(({ name }) => name) },
    { host: "127.0.0.1", port: 0 },
  );
  const watch = await RosterWatch.open(system, districtTopic("teacherRosters", district));
  try {
    return await measureLogins(
      { system, district, watch },
      { warmUp: Math.floor(warmUp * share), logins, burst, teachers, api },
    );
  } finally {
    watch.close();
    await api.close();
  }
}

async function measureLogins(
  bench: Bench,
  about: {
    readonly warmUp: number;
    readonly logins: number;
    readonly burst: number;
    readonly teachers: readonly string[];
    readonly api: ServedApi;
  },
): Promise<readonly Line[]> {
  const { logins, burst, teachers, api } = about;
  let next = 0;
  const some = (count: number): readonly string[] => teachers.slice(next, (next += count));
  const oneByOne = async (count: number, signIn: (teacher: string) => Promise<unknown>): Promise<readonly number[]> => {
    const times: number[] = [];
    for (const teacher of some(count)) times.push(...(await untilSeen(bench, [teacher], signIn)));
    return times;
  };
  await oneByOne(about.warmUp, (teacher) => append(bench, teacher));
  const peer: number[] = [];
  for (let i = 0; i < logins; i++) peer.push(await roundTrip(bench.system));
  const lines: Line[] = [{ what: "one record appended and read back (the peer)", ms: peer }];
  const add = (what: string, ms: readonly number[]): void => void lines.push({ what, ms });
  add("a login appended, until the roster is read", await oneByOne(logins, (each) => append(bench, each)));
  add("POST /logins, until the roster is read", await oneByOne(logins, (each) => post(bench, api, each)));
  add(`${burst} logins appended at once`, await untilSeen(bench, some(burst), (each) => append(bench, each)));
  add(`${burst} times POST /logins at once`, await untilSeen(bench, some(burst), (each) => post(bench, api, each)));
  return lines;
}

/** Signs all of them in, and says of each after how long, from the common start, a class of theirs could be read. */
async function untilSeen(
  { watch }: Bench,
  teachers: readonly string[],
  signIn: (teacher: string) => Promise<unknown>,
): Promise<readonly number[]> {
  const begin = performance.now();
  const seen = teachers.map(async (teacher) => (await watch.seen(teacher)) - begin);
  await Promise.all(teachers.map(signIn));
  return Promise.all(seen);
}

async function append({ system, district }: Bench, teacher: string): Promise<void> {
  const claims = { username: null, email: null, given: null, family: null, role: null };
  const name = { district, issuer, subject: teacher };
  const record = { eventId: loginId(name), ...name, at: Date.now(), sourcedId: teacher, userIds: [], ...claims };
  const value = system.records.encode("rollcall.control.Login", record);
  await system.log.transaction(async (tx) => {
    tx.append(controlTopics.logins.name, [{ key: controlKey(district, issuer, teacher), value }]);
    await Promise.resolve();
  });
}

async function post({ district }: Bench, { url, token }: ServedApi, teacher: string): Promise<void> {
  const body = { eventId: teacher, district, issuer, subject: teacher, at: Date.now(), sourcedId: teacher };
  const response = await fetch(`${url}/logins?wait=0`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  if (response.status !== 202) throw new Error(`POST /logins answers ${response.status}`);
  await response.arrayBuffer();
}

/** One record appended by a transaction of its own, until it is read. */
async function roundTrip({ log }: System): Promise<number> {
  const topic = "bench.peer";
  const { generation, end: from } = await log.createTopic(topic);
  const begin = performance.now();
  await log.transaction(async (tx) => {
    tx.append(topic, [{ key: "peer", value: new Uint8Array(8) }]);
    await Promise.resolve();
  });
  const to = (await log.extent(topic))?.end ?? from;
  for await (const batch of log.scan({ topic, generation, from, to })) void batch;
  return performance.now() - begin;
}

async function deliveredDistrict(
  system: System,
  { students }: Options,
  { folder, signal }: { readonly folder: string; readonly signal: AbortSignal },
): Promise<DistrictId> {
  const { district, source } = namesOf("bench");
  const policy: Policy = {
    ...defaultPolicy,
    features: { autoRegistration: "simple" },
    signOn: { issuers: [issuer], userIdTypes: [] },
    classWindow: { leadDays: 366, trailDays: 366 },
  };
  await system
    .sql("districts")
    .insert({ id: district, name: "Bench", state: "released", policy: JSON.stringify(policy) });
  const path = join(folder, "set");
  await mkdir(path);
  await writeSample({
    directory: path,
    ledger: join(folder, "expected.jsonl"),
    students,
    schoolYear: schoolYearOf(new Date()),
  });
  const { id, verdict } = await deliver(system, { district, source, path, signal });
  if (verdict.outcome !== "accepted") throw new Error(`the set is refused: ${String(verdict.refusal)}`);
  await outcomeOf(system, { district, delivery: id });
  await until(async () => (await system.sql("roster_positions").where({ district })).length > 0);
  await putLicense(system, await licensed(system, district));
  return district;
}

async function licensed(system: System, district: DistrictId): Promise<readonly string[]> {
  return system.sql("roster_orgs").where({ district }).whereNotNull("identifier").pluck("identifier");
}

async function putLicense(system: System, orgs: readonly string[]): Promise<void> {
  const license = { license: "bench", product: "bench", orgs, validFrom: null, validTo: null, seats: null };
  const value = system.records.encode("rollcall.control.License", { ...license, at: Date.now() });
  await system.log.transaction(async (tx) => {
    tx.append(controlTopics.licenses.name, [{ key: controlKey("bench"), value }]);
    await Promise.resolve();
  });
  await until(async () => (await system.sql("licenses")).length > 0);
}

/** Teachers who teach some class today. */
async function teachersOf(system: System, district: DistrictId): Promise<readonly string[]> {
  const { rows } = await system.sql.raw<{ readonly rows: readonly { readonly id: string }[] }>(
    `select distinct r.user_id as id from roster_roles r
     join roster_users u on u.district = r.district and u.sourced_id = r.user_id and u.enabled
     join roster_enrollments e on e.district = r.district and e.user_id = r.user_id and e.role = 'teacher'
       and coalesce(e.begin_date <= current_date, true) and coalesce(e.end_date > current_date, true)
     where r.district = ? and r.role = 'teacher'
       and coalesce(r.begin_date <= current_date, true) and coalesce(r.end_date > current_date, true) order by id`,
    [district],
  );
  return rows.map(({ id }) => id);
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 50));
}

async function tell(students: number, measured: readonly Measured[]): Promise<void> {
  const [first] = measured;
  const rows = (first?.lines ?? []).map(({ what, ms }, index): readonly Cell[] => {
    const of = (share: number): readonly number[] =>
      measured.map(({ lines }) => quantile(share, lines[index]?.ms ?? []));
    const peers = measured.map(({ lines }) => quantile(0.5, lines[0]?.ms ?? []));
    const [p50, p95] = [of(0.5), of(0.95)];
    const toPeer = p50.map((each, log) => ratio(each, peers[log] ?? 0));
    return [what, ms.length, ...p50, ...p95, ...toPeer, ...p50.slice(1).map((each) => ratio(each, p50[0] ?? 0))];
  });
  const each = (what: string): readonly string[] => measured.map(({ log }) => `${what}, ${log}`);
  const between = measured.slice(1).map(({ log }) => `${log} ÷ ${first?.log ?? ""}`);
  const table = markdown(
    ["from login to roster", "times", ...each("p50 ms"), ...each("p95 ms"), ...each("p50 ÷ peer"), ...between],
    rows,
  );
  const title = `From login to roster: ${students.toLocaleString("en")} students; ${machine()}`;
  await report({ name: "login", title, table, figures: measured });
}

if (import.meta.main) await main();
