// A whole pull over HTTP: every record is kept, what must not be empty is not, and what is refused is named.

import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";

import type { OneRosterApi } from "../../../libs/adapters/oneroster-api/api.ts";
import { connect } from "../../../libs/adapters/oneroster-api/connect.ts";
import { itemsOf, parseJson, sourcedIdOf } from "../../../libs/adapters/oneroster-api/envelope.ts";
import { type Pulled, type PullOptions, pullCollections } from "../../../libs/adapters/oneroster-api/pull.ts";
import { type Collection, collections } from "../../../libs/domain/api/collections.ts";
import { profileOf } from "../../../libs/domain/api/profiles.ts";
import { isAppError } from "../../../libs/errors.ts";
import { faultNamed } from "../../support/oneroster-faults.ts";
import { oneRosterServer, type Served } from "../../support/oneroster-server.ts";
import { quick } from "./shelf.ts";

const served = await oneRosterServer(t, { version: "1.1", auth: "oauth2", seed: 7, students: 60 });
const folder = await mkdtemp(join(tmpdir(), "rollcall-pull-"));
t.teardown(() => rm(folder, { recursive: true }));

async function pull(from: Served, about: Partial<PullOptions> = {}): Promise<Pulled> {
  const profile = profileOf("generic");
  if (profile === null) throw new Error("there is no generic profile");
  const settings = { ...from.settings, pageSize: 20 };
  const signal = new AbortController().signal;
  const wanted = collections;
  const api = await connect({
    settings,
    profile,
    credentials: from.credentials,
    wanted,
    atOnce: () => 4,
    signal,
    patience: quick,
  });
  try {
    return await pullCollections(api, {
      profile,
      settings,
      wanted,
      counts: null,
      folder,
      signal,
      patience: quick,
      ...about,
    });
  } finally {
    await api.close();
  }
}

/** What is known of a source that has these orgs and nothing else. */
async function pullOrgs(items: readonly unknown[]): Promise<Pulled> {
  const profile = profileOf("generic");
  if (profile === null) throw new Error("there is no generic profile");
  const headers = new Map([["x-total-count", String(items.length)]]);
  const api: OneRosterApi = {
    baseUrl: served.settings.baseUrl,
    get: (url) => {
      const from = Number(url.searchParams.get("offset") ?? 0);
      const to = from + Number(url.searchParams.get("limit") ?? items.length);
      const text = JSON.stringify({ orgs: items.slice(from, to) });
      return Promise.resolve({ url, status: 200, headers, text });
    },
    grantedScopes: () => null,
    requests: () => 0,
    close: () => Promise.resolve(),
  };
  const { signal } = new AbortController();
  const about = { profile, settings: served.settings, wanted: ["orgs"], counts: null, folder, signal } as const;
  return await pullCollections(api, { ...about, patience: quick });
}

async function idsIn(path: string, collection: Collection): Promise<readonly string[]> {
  const lines = (await readFile(path, "utf8")).split("\n").filter((line) => line !== "");
  return lines.flatMap((line) => {
    const page = parseJson(line);
    const body = typeof page === "object" && page !== null && "body" in page ? page.body : null;
    const read = itemsOf(body, collection);
    return read.outcome === "items" ? read.items.map((item) => sourcedIdOf(item) ?? "?") : [];
  });
}

t.test("every record is kept once, with what is known of the source, in files that nobody else can read", async (t) => {
  const { collections: files, missing, seen } = await pull(served);
  t.strictSame(missing, []);
  for (const { name, path, items, bytes, pages } of files) {
    const truth = served.data().items[name].map((item) => sourcedIdOf(item) ?? "?");
    const kept = await idsIn(path, name);
    t.strictSame(kept.toSorted(), truth.toSorted(), name);
    t.equal(items, truth.length);
    const { mode, size } = await stat(path);
    t.equal(mode & 0o777, 0o600);
    t.equal(size, bytes);
    t.ok(truth.length === 0 || pages > 0);
  }
  t.ok(seen.orgs.length > 0);
  t.match(seen.sessionsEnd, /^\d{4}-\d\d-\d\d$/u);
});

t.test("a collection that had records and shows none is incomplete, unless the school year is over", async (t) => {
  served.setFaults([faultNamed("empty-200-always")], "users");
  t.teardown(() => served.setFaults([]));
  await t.rejects(pull(served, { counts: { users: 5 } }), { code: "api.incomplete", message: /it is empty/u });
  const over = await pull(served, { counts: { users: 5 }, today: "2999-01-01" });
  t.equal(over.collections.find(({ name }) => name === "users")?.items, 0);
  t.ok(await pull(served), "what never had any may be empty");
});

t.test("what is refused is named when it is required, and missing when it is not", async (t) => {
  t.teardown(() => served.setFaults([]));
  served.setFaults([faultNamed("403-one-collection")], "demographics");
  t.strictSame((await pull(served)).missing, [{ name: "demographics", why: "forbidden" }]);
  served.setFaults([faultNamed("403-one-collection")], "classes");
  await t.rejects(pull(served), { code: "api.forbidden", message: /classes/u });
  served.setFaults([faultNamed("404-for-empty")], "resources");
  t.strictSame((await pull(served)).missing, [{ name: "resources", why: "unknown" }]);
});

t.test("404 for a required collection is incomplete when it had records", async (t) => {
  t.teardown(() => served.setFaults([]));
  served.setFaults([faultNamed("404-for-empty")], "courses");
  await t.rejects(pull(served, { counts: { courses: 1 } }), { code: "api.incomplete" });
  t.equal((await pull(served)).collections.find(({ name }) => name === "courses")?.items, 0);
});

t.test("a permission that lacks costs one request for a collection", async (t) => {
  t.teardown(() => served.setFaults([]));
  served.setFaults([faultNamed("403-one-collection")], "orgs");
  const before = served.requests.length;
  const error: unknown = await pull(served).catch((thrown: unknown) => thrown);
  t.ok(isAppError(error, "api.forbidden"));
  const asked = served.requests.slice(before).filter(({ collection }) => collection !== null);
  t.strictSame([...new Set(asked.map(({ collection }) => collection))], ["orgs"]);
});

t.test("names of metadata are the first by name in whatever order and letter case they come", async (t) => {
  const names = Array.from({ length: 600 }, (_, at) => `n${String(at).padStart(3, "0")}`);
  const items = names.map((name) => ({ sourcedId: name, Metadata: { [name]: 1 } }));
  const [forth, back] = [await pullOrgs(items), await pullOrgs(items.toReversed())];
  t.strictSame(forth.collections[0]?.metadata, names.slice(0, 500));
  t.strictSame(back.collections[0]?.metadata, names.slice(0, 500));
});
