// Sources that are pulled, as rows: beside those of other kinds, with what is known of their connection.

import { randomUUID } from "node:crypto";

import t, { type Test } from "tap";

import {
  credentialNames,
  credentialsOf,
  removeCredentials,
  resealCredentials,
  setCredentials,
} from "../../../libs/adapters/postgres/api-credentials.ts";
import {
  deleteOldPulls,
  endAbandoned,
  type EndedPull,
  endPull,
  lastPulls,
  runningPlaces,
  startPull,
} from "../../../libs/adapters/postgres/api-pulls.ts";
import { noteShareTold, type ShareState, sharesOf, storeShares } from "../../../libs/adapters/postgres/api-shares.ts";
import {
  allApiSources,
  type ApiPlace,
  type ApiSource,
  apiSourceOf,
  deleteApiSource,
  storeApiSettings,
} from "../../../libs/adapters/postgres/api-sources.ts";
import {
  allStates,
  noteBegun,
  noteExpiryTold,
  noteFailed,
  noteState,
  noteWhole,
  stateOf,
  unknownState,
  wantPull,
} from "../../../libs/adapters/postgres/api-states.ts";
import {
  addSource,
  allSources,
  listSources,
  mustDeliver,
  type NewSource,
  setEnabled,
  sourceOf,
} from "../../../libs/adapters/postgres/sources.ts";
import { parseSecretKey, type SecretKey } from "../../../libs/adapters/sealed.ts";
import type { ApiSettings } from "../../../libs/domain/api/settings.ts";
import { parseSourceId, type SourceId } from "../../../libs/domain/ids.ts";
import { defaultDropSettings } from "../../../libs/domain/source.ts";
import { addDistrict, freshSystem, type TestSystem } from "../../support/system.ts";

t.setTimeout(120_000);

const settings: ApiSettings = {
  profile: "generic",
  version: "1.2",
  auth: "oauth2",
  baseUrl: "https://sis.example/ims/oneroster",
  tokenUrl: "https://sis.example/token",
  scopes: [],
  tenant: null,
  schedule: "0 2 * * *",
  expires: "2027-01-31",
  resources: false,
  pageSize: 500,
  sourceVersion: null,
  revisionHeader: null,
  allowHttp: false,
};
const noon = Date.UTC(2026, 0, 5, 12);

function named(id: string): SourceId {
  const source = parseSourceId(id);
  if (source === null) throw new Error(`${id} is a source id`);
  return source;
}

async function add({ sql }: TestSystem, source: NewSource): Promise<void> {
  await sql.transaction((trx) => addSource(trx, source));
}

async function withApi(t: Test): Promise<{ readonly system: TestSystem; readonly place: ApiPlace }> {
  const system = await freshSystem(t);
  const place = { district: await addDistrict(system, "oak"), source: named("api") };
  await add(system, { district: place.district, id: place.source, kind: "api", settings });
  return { system, place };
}

void t.test(
  "a source that is pulled is read with its settings, and those of other kinds are not among them",
  async (t) => {
    const { system, place } = await withApi(t);
    const { sql } = system;
    const { district } = place;
    const elm = await addDistrict(system, "elm");
    await add(system, { district: elm, id: named("sftp"), kind: "sftp", settings: defaultDropSettings });

    const found: ApiSource = await apiSourceOf(sql, district, "api");
    t.match(found, { district: "oak", id: "api", kind: "api", settings, isEnabled: true });
    t.ok(Math.abs(found.createdAt - Date.now()) < 600_000);
    t.strictSame(await allApiSources(sql), [found]);
    t.strictSame(await allApiSources(sql, elm), []);
    t.match(await allSources(sql), [{ district: "elm", kind: "sftp" }], "whoever looks for files sees no other");
    await t.rejects(sourceOf(sql, district, "api"), { code: "source.unknown" });
    await t.rejects(apiSourceOf(sql, elm, "sftp"), { code: "source.unknown" });
    t.strictSame(await listSources(sql), [
      { district: "elm", id: "sftp", kind: "sftp", isEnabled: true },
      { district: "oak", id: "api", kind: "api", isEnabled: true },
    ]);

    await storeApiSettings(sql, { ...found, settings: { ...settings, schedule: null } });
    t.equal((await apiSourceOf(sql, district, "api")).settings.schedule, null);
    await t.rejects(storeApiSettings(sql, { ...found, district: elm }), { code: "source.unknown" });
  },
);

void t.test("settings that another version stored are read, and a broken source keeps no other away", async (t) => {
  const { system, place } = await withApi(t);
  const { sql } = system;
  const stored = { ...settings, ofAnotherVersion: true };
  await sql("sources")
    .where({ id: "api" })
    .update({ settings: JSON.stringify(stored) });
  t.strictSame((await apiSourceOf(sql, place.district, "api")).settings, settings);

  const elm = await addDistrict(system, "elm");
  await add(system, { district: elm, id: named("api"), kind: "api", settings });
  await sql("sources")
    .where({ district: "oak" })
    .update({ settings: JSON.stringify({ ...settings, version: "7" }) });
  const broken: unknown[] = [];
  const read = await allApiSources(sql, undefined, ({ district, error }) => broken.push([district, error.code]));
  t.match(read, [{ district: "elm" }]);
  t.strictSame(broken, [["oak", "config.invalid"]]);
});

void t.test("a second active source is refused, whatever kinds the two are", async (t) => {
  const { system, place } = await withApi(t);
  const { sql } = system;
  const { district, source } = place;
  const sftp: NewSource = { district, id: named("sftp"), kind: "sftp", settings: defaultDropSettings };
  const second = { code: "source.second", message: /is delivered by its source api/u, remedy: /one active source/u };
  await t.rejects(add(system, sftp), second);
  await t.rejects(mustDeliver(sql, { district, id: named("files") }), second);
  await mustDeliver(sql, { district, id: source });
  await t.rejects(add(system, { district, id: source, kind: "api", settings }), { code: "source.exists" });

  await sql.transaction((trx) => setEnabled(trx, { district, id: source, isEnabled: false }));
  await t.rejects(mustDeliver(sql, { district, id: source }), { code: "source.disabled", message: /is disabled/u });
  await add(system, sftp);
  const on = sql.transaction((trx) => setEnabled(trx, { district, id: source, isEnabled: true }));
  await t.rejects(on, { code: "source.second", message: /by its source sftp/u });
  t.match(await apiSourceOf(sql, district, "api"), { isEnabled: false });
});

void t.test("a deleted source is as if it were not there, and what it delivered stays", async (t) => {
  const { system, place } = await withApi(t);
  const { sql, secretKey } = system;
  const { district, source } = place;
  await sql("sources").where({ id: source }).update({ last_sequence: 7 });
  await setCredentials(sql, secretKey, place, { secret: "canary" });
  await noteState(sql, place, { state: "ready", reason: null, at: noon });
  const pull = randomUUID();
  await startPull(sql, { ...place, id: pull, at: noon });

  const remove = (): Promise<void> => sql.transaction((trx) => deleteApiSource(trx, { district, id: source }));
  await remove();
  await remove();
  await t.rejects(apiSourceOf(sql, district, "api"), { code: "source.unknown" });
  t.strictSame([await listSources(sql), await allApiSources(sql)], [[], []]);
  t.strictSame([await credentialNames(sql, place), await stateOf(sql, place)], [[], unknownState]);
  t.notOk(await endPull(sql, ended(pull)), "a pull that was under way is over");
  t.match(await lastPulls(sql, place, 9), [{ id: pull, state: "failed", reason: "the source was deleted" }]);
  await t.rejects(mustDeliver(sql, { district, id: source }), { code: "source.disabled", message: /was deleted/u });
  await sql.transaction((trx) => setEnabled(trx, { district, id: source, isEnabled: true }));
  t.strictSame(await listSources(sql), [], "nor does enabling bring it back");
  t.strictSame(await sql("sources").where({ disabled_at: null }), [], "also for who looks only at that");

  await mustDeliver(sql, { district, id: named("files") });
  await wantPull(sql, place, noon);
  await add(system, { district, id: source, kind: "sftp", settings: { ...defaultDropSettings, path: "/in" } });
  t.match(await sourceOf(sql, district, "api"), { kind: "sftp", settings: { path: "/in" }, isEnabled: true });
  t.equal((await sql("sources").where({ id: source }).first("last_sequence"))?.last_sequence, 7, "counted on");
  t.strictSame(await stateOf(sql, place), unknownState);
  await remove();
  t.ok(await sourceOf(sql, district, "api"), "a source of another kind is not deleted by this");
});

void t.test("C014 credentials are sealed for their place, replaced one by one, and shown by name alone", async (t) => {
  const { system, place } = await withApi(t);
  const { sql, secretKey } = system;
  await setCredentials(sql, secretKey, place, { id: "canary-id", secret: "canary-old" });
  await setCredentials(sql, secretKey, place, { secret: "canary-new" });
  await setCredentials(sql, secretKey, place, {});
  t.strictSame(await credentialsOf(sql, secretKey, place), { id: "canary-id", secret: "canary-new" });
  t.match(await credentialNames(sql, place), [
    { name: "id", setAt: Number },
    { name: "secret", setAt: Number },
  ]);
  const rows: readonly { readonly sealed: Buffer }[] = await sql("api_credentials").select();
  for (const { sealed } of rows) t.notMatch(sealed.toString("latin1"), /canary/u);

  const [other] = rows;
  await sql("api_credentials")
    .where({ name: "id" })
    .update({ sealed: rows.find((row) => row !== other)?.sealed });
  const refused = { code: "api.secret-key", message: /oak\/api\// };
  await t.rejects(credentialsOf(sql, secretKey, place), refused, "a value that was copied to another row");
  t.equal(await removeCredentials(sql, place), 2);
  t.equal(await removeCredentials(sql, place), 0);
  t.strictSame(await credentialsOf(sql, null, place), {});
});

void t.test("without the key, or with another one, credentials are refused and the reason is said", async (t) => {
  const { system, place } = await withApi(t);
  const { sql, secretKey } = system;
  const [former, next] = [keyOf(1), keyOf(2)];
  await t.rejects(setCredentials(sql, null, place, { id: "x" }), { code: "api.secret-key", message: /is not set/u });
  await setCredentials(sql, former, place, { id: "x", secret: "y" });
  await t.rejects(credentialsOf(sql, null, place), { code: "api.secret-key", message: /is not set/u });
  await t.rejects(credentialsOf(sql, next, place), { code: "api.secret-key", message: /another key/u });

  const both = keyOf(2, 1);
  t.strictSame(await credentialsOf(sql, both, place), { id: "x", secret: "y" });
  await setCredentials(sql, secretKey, place, { lost: "z" });
  t.strictSame(await resealCredentials(sql, both), { resealed: 2, unopened: 1 });
  t.strictSame(await resealCredentials(sql, both), { resealed: 0, unopened: 1 });
  await sql("api_credentials").where({ name: "lost" }).delete();
  t.strictSame(await credentialsOf(sql, next, place), { id: "x", secret: "y" }, "the former key is needed no more");
});

function keyOf(...bytes: readonly number[]): SecretKey {
  const key = parseSecretKey(bytes.map((byte) => Buffer.alloc(32, byte).toString("base64")).join(","));
  if (key === null) throw new Error("it is a key");
  return key;
}

void t.test("a state keeps since when it is, and says whether it is another", async (t) => {
  const { system, place } = await withApi(t);
  const { sql } = system;
  t.strictSame(await stateOf(sql, place), unknownState);
  const note = (state: "untested" | "ready" | "unreachable", reason: string | null, at: number): Promise<boolean> =>
    noteState(sql, place, { state, reason, at });
  t.equal(await note("untested", null, noon), false, "of which nothing is known is untested");
  t.equal(await note("ready", null, noon + 1), true);
  t.equal(await note("unreachable", "no answer", noon + 2), true);
  t.equal(await note("unreachable", "no address", noon + 3), false);
  t.match(await stateOf(sql, place), { state: "unreachable", since: noon + 2, reason: "no address" });
  t.equal(await note("ready", null, noon + 4), true);
  t.match(await stateOf(sql, place), { state: "ready", since: noon + 4, reason: null });
  t.match(await allStates(sql), [{ ...place, state: "ready" }]);
});

void t.test("what is due of a source is stored as it is asked for, begun, failed and whole", async (t) => {
  const { system, place } = await withApi(t);
  const { sql } = system;
  const seen = async () => {
    const { pulledAt, wantedAt, retryAt, failures } = await stateOf(sql, place);
    return [pulledAt, wantedAt, retryAt, failures];
  };
  await wantPull(sql, place, noon);
  t.strictSame(await seen(), [null, noon, null, 0]);
  await noteBegun(sql, place, noon + 1);
  t.strictSame(await seen(), [noon + 1, null, null, 0]);
  await noteFailed(sql, place, { retryAt: noon + 9 });
  t.strictSame(await seen(), [noon + 1, null, noon + 9, 1]);
  await noteFailed(sql, place, { retryAt: null });
  await wantPull(sql, place, noon + 2);
  t.strictSame(await seen(), [noon + 1, noon + 2, null, 2]);
  await noteFailed(sql, place, { retryAt: noon + 9 });
  await noteWhole(sql, place);
  t.strictSame(await seen(), [noon + 1, noon + 2, null, 0], "what was asked for meanwhile is still wanted");
  t.match(await stateOf(sql, place), { state: "untested" }, "none of it says how the connection is");
});

void t.test("E028-E031 each step towards the end of credentials is told once, and again for another day", async (t) => {
  const { system, place } = await withApi(t);
  const { sql } = system;
  const told: readonly (readonly [string, 30 | 14 | 7 | 1 | 0, boolean])[] = [
    ["2026-02-01", 30, true],
    ["2026-02-01", 30, false],
    ["2026-02-01", 7, true],
    ["2026-02-01", 14, false],
    ["2026-02-01", 0, true],
    ["2026-02-01", 0, false],
    ["2027-02-01", 30, true],
    ["2027-02-01", 1, true],
  ];
  for (const [expires, step, isFirst] of told)
    t.equal(await noteExpiryTold(sql, place, { expires, step }), isFirst, `${expires} ${step}`);
  t.strictSame((await stateOf(sql, place)).expiryTold, { expires: "2027-02-01", step: 1 });
  const racing = Array.from({ length: 8 }, () => noteExpiryTold(sql, place, { expires: "2027-02-01", step: 0 }));
  t.equal((await Promise.all(racing)).filter(Boolean).length, 1, "of several at once one tells");
});

function ended(id: string, more: Partial<EndedPull> = {}): EndedPull {
  const collections = [{ name: "orgs", items: 3, pages: 1 }] as const;
  return { id, state: "same", code: null, reason: null, delivery: null, collections, requests: 4, at: noon, ...more };
}

void t.test("a pull ends once, also when its process was taken for dead, and is forgotten long after", async (t) => {
  const { system, place } = await withApi(t);
  const { sql } = system;
  const ids = [randomUUID(), randomUUID(), randomUUID()] as const;
  for (const [at, id] of ids.entries()) await startPull(sql, { ...place, id, at: noon + at });
  t.strictSame(await runningPlaces(sql), [place]);
  t.ok(await endPull(sql, ended(ids[0], { at: noon + 8 })));
  t.notOk(await endPull(sql, ended(ids[0], { state: "failed", code: "api.answer" })));
  const failed = { state: "failed", code: "api.forbidden", reason: "no", collections: [], requests: 0 } as const;
  t.ok(await endPull(sql, ended(ids[1], failed)));
  t.equal(await endAbandoned(sql, place, noon + 9), 1);
  t.equal(await endAbandoned(sql, place, noon + 9), 0);
  t.notOk(await endPull(sql, ended(ids[2])), "whoever only slept changes nothing");
  t.strictSame(await runningPlaces(sql), []);
  t.match(await lastPulls(sql, place, 2), [
    { id: ids[2], startedAt: noon + 2, endedAt: noon + 9, state: "failed", code: null, reason: /process/u },
    { id: ids[1], ...failed },
  ]);
  t.match((await lastPulls(sql, place, 9)).at(-1), {
    id: ids[0],
    endedAt: noon + 8,
    state: "same",
    collections: [{ name: "orgs", items: 3, pages: 1 }],
    requests: 4,
  });

  await startPull(sql, { ...place, id: randomUUID(), at: noon });
  t.equal(await deleteOldPulls(sql, noon + 2), 2, "one that runs stays");
  t.match(await lastPulls(sql, place, 9), [{ id: ids[2] }, { state: "running" }]);
});

void t.test("A051-A056 what becomes of a share is told once, and a share that is gone deletes nothing", async (t) => {
  const { sql } = await freshSystem(t);
  const proxy = "proxy.example";
  const [oak, elm] = [share("app-1", "Oak"), share("app-2", "Elm")];
  const store = async (listed: readonly ReturnType<typeof share>[], at: number) => {
    const untold = await sql.transaction((trx) => storeShares(trx, { proxy, listed, at }));
    return untold.map(({ application, state }) => [application, state]);
  };
  const tell = async (application: string, state: ShareState): Promise<void> =>
    noteShareTold(sql, { proxy, application, state });

  await sql.transaction((trx) => storeShares(trx, { proxy: "another.example", listed: [oak], at: noon }));
  t.strictSame(await store([oak, elm, oak], noon), [
    ["app-2", "shared"],
    ["app-1", "shared"],
  ]);
  await tell("app-1", "shared");
  t.strictSame(await store([oak, elm], noon + 1), [["app-2", "shared"]], "what was not told is told again");
  t.match(await sharesOf(sql), [{}, { since: noon, seenAt: noon + 1 }, { since: noon, seenAt: noon + 1 }]);
  await tell("app-2", "shared");
  t.strictSame(await store([{ ...oak, isEnabled: false }], noon + 2), [
    ["app-2", "gone"],
    ["app-1", "disabled"],
  ]);
  await tell("app-1", "disabled");
  await tell("app-2", "gone");
  t.strictSame(await store([], noon + 3), [["app-1", "gone"]], "a list of none is a list");
  t.strictSame(await store([elm, { ...oak, isEnabled: false, name: "Oak Unified" }], noon + 4), [["app-2", "shared"]]);
  t.match(await sharesOf(sql), [
    { proxy: "another.example", application: "app-1", state: "shared", told: null },
    { application: "app-2", tenant: "t-app-2", state: "shared", since: noon + 4, seenAt: noon + 4, told: "gone" },
    { application: "app-1", name: "Oak Unified", state: "disabled", since: noon + 4, told: "disabled" },
  ]);
});

function share(application: string, name: string) {
  return { application, tenant: `t-${application}`, name, isEnabled: true };
}
