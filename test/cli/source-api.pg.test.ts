// The verbs about sources that are pulled, through the real launcher: a connection is set up with the words that its vendor
// uses, tried, pulled and ended, and nothing that is said, logged or stored has a credential in it.

import { join } from "node:path";

import t, { type Test } from "tap";

import type { ApiProfile } from "../../libs/domain/api/profile.ts";
import { profiles } from "../../libs/domain/api/profiles.ts";
import { apiSettingsOf } from "../../libs/domain/api/settings.ts";
import { apiLetter } from "../../libs/cli/source-api-letter.ts";
import { parseFields } from "../../libs/cli/source-api-input.ts";
import { understood } from "../../libs/cli/source-api-credentials.ts";
import type { Policy } from "../../libs/domain/policy.ts";
import { type Ended, finish } from "../support/child.ts";
import { oneRosterServer, type Served } from "../support/oneroster-server.ts";
import { addDistrict, freshSystem, secretKeyText, type TestSystem } from "../support/system.ts";

const launcher = join(import.meta.dirname, "../../bin/rollcall");
t.setTimeout(240_000);

type Installed = {
  readonly system: TestSystem;
  readonly source: (...args: readonly string[]) => Promise<Ended>;
  readonly json: (...args: readonly string[]) => Promise<Readonly<Record<string, unknown>>>;
  /** `source credentials` with this text on stdin. */
  readonly credentials: (input: string, ...args: readonly string[]) => Promise<Ended>;
  /** Everything that was said so far. */
  readonly said: () => string;
};

async function installed(t: Test, policy: Partial<Policy> = {}): Promise<Installed> {
  const system = await freshSystem(t);
  await addDistrict(system, "oak", { timeZone: "America/Chicago", ...policy });
  const env = {
    ROLLCALL_DATA: join(system.folder, "data"),
    DATABASE_URL: system.database.url,
    ROLLCALL_SECRET_KEY: secretKeyText,
    ROLLCALL_CLASSLINK_KEY: undefined,
  };
  let said = "";
  const run = async (args: readonly string[], input = ""): Promise<Ended> => {
    const ended = await finish([launcher, "source", ...args], { env, input });
    said += ended.stdout + ended.stderr;
    return ended;
  };
  return {
    system,
    source: (...args) => run(args),
    credentials: (input, ...args) => run(["credentials", "oak", ...args], input),
    json: async (...args) => {
      const { stdout, stderr } = await run([...args, "--json"]);
      if (stdout === "") throw new Error(stderr);
      return JSON.parse(stdout);
    },
    said: () => said,
  };
}

void t.test(
  "every vendor has a letter that asks for what its profile needs (A051 to A084, E023 to E041)",
  async (t) => {
    const lettersOf = (profile: ApiProfile): readonly string[] =>
      profile.versions.flatMap((version) =>
        profile.auths[version].map((auth) => {
          const settings = { ...apiSettingsOf(profile), version, auth };
          const letter = apiLetter({ settings, profile, timeZone: "America/Chicago" }).join("\n");
          for (const { label } of profile.credentials[auth] ?? []) t.match(letter, label, `${profile.id} ${auth}`);
          t.match(letter, new RegExp(`OneRoster ${version.replace(".", "\\.")}`, "u"));
          return letter;
        }),
      );
    const letters = new Map(profiles.map((profile) => [profile.id, lettersOf(profile)]));
    const all = (id: string): string => (letters.get(id) ?? []).join("\n");
    for (const words of [/Roster Server/u, /to Enabled/u, /permission to Full/u, /nothing to send/u])
      t.match(all("classlink"), words);
    for (const words of [/1\.1 with OAuth 2\.0/u, /Token URL/u, /Copy all fields/u, /lasts a year/u, /all schools/u])
      t.match(all("infinite-campus"), words);
    for (const words of [/Plugin Management/u, /Enable the plugin/u, /version of your PowerSchool/u])
      t.match(all("powerschool"), words);
    for (const id of ["generic", "blackbaud", "aeries"]) t.match(all(id), /Base URL/u);
    t.notMatch((letters.get("classlink") ?? []).at(-1), /Send us:/u, "who shares sends nothing (C014)");
  },
);

void t.test(
  "credentials are understood under each vendor's names, and what is not is asked about (D016, D017)",
  async (t) => {
    const [about] = profiles
      .filter(({ id }) => id === "infinite-campus")
      .map((profile) => ({
        profile,
        settings: { auth: "oauth2" } as const,
      }));
    if (about === undefined) throw new Error("there is no such profile");
    const whole = {
      values: { id: "abc", secret: "d:e=f" },
      settings: { baseUrl: "https://x.example", tokenUrl: "https://y" },
    };
    for (const text of [
      "Client ID: abc\nClient Secret: d:e=f\nToken URL: https://y\nBase URL: https://x.example\n",
      "# from the district\r\n * client_id=abc\r\n\r\n - consumer secret = d:e=f\r\ntoken-url=https://y\r\nAPI URL: https://x.example",
      JSON.stringify({ clientId: "abc", clientSecret: "d:e=f", tokenUrl: "https://y", baseUrl: " https://x.example " }),
    ])
      t.strictSame(understood(parseFields(text), about), whole);
    const wrong: readonly (readonly [string, RegExp])[] = [
      ["Cleint ID: s3cr3t", /"Cleint ID" is no field: did you mean Client ID\?/u],
      ["Favourite colour: s3cr3t", /no field of Infinite Campus, which has Client ID, Client Secret/u],
      ["Client ID: s3cr3t\nclient_id: other", /"client_id" says once more/u],
      ["Client ID:", /line 1 has no value/u],
      ["s3cr3t", /line 1 is not of the form/u],
      ['{"Client ID": 5}', /the value of "Client ID" is no text/u],
      ['{"Client ID": "s3cr3t",}', /begin as JSON and are not JSON/u],
      ["s3cr3t0123456789abcdef: x", /looks like a value/u],
      ["", /there is nothing in it/u],
    ];
    for (const [text, message] of wrong) {
      const thrown = ((): unknown => {
        try {
          return understood(parseFields(text), about);
        } catch (error) {
          return error;
        }
      })();
      t.match(thrown, { code: "usage", message });
      t.notMatch(String(thrown), "s3cr3t");
    }
  },
);

const url = "https://oak.infinitecampus.example/campus";
const add: readonly string[] = ["add", "oak", "api", "--vendor", "infinite-campus", "--url", url];

void t.test("wrong usage of an API says what is wrong, and makes nothing", async (t) => {
  const { source, json } = await installed(t);
  const wrong: readonly (readonly [readonly string[], RegExp])[] = [
    [add, /tokenUrl must be given/u],
    [["add", "oak", "api", "--url", url], /--vendor is needed/u],
    [["add", "oak", "api", "--vendor", "infinte-campus"], /Allowed choices are classlink, infinite-campus/u],
    [["add", "oak", "sftp", "--url", url], /are for the kind api/u],
    [[...add, "--password"], /are for the kind sftp/u],
    [[...add, "--auth", "oauth1-sha1", "--set", "resources=true"], /resources do not come from the API/u],
    [[...add, "--auth", "oauth1-sha1", "--expires", "soon"], /must be a day/u],
    [["letter", "oak", "--vendor", "powerschool", "--oneroster", "1.2"], /has for OneRoster 1\.2: nothing/u],
  ];
  await Promise.all(wrong.map(async ([args, stderr]) => t.match(await source(...args), { code: 2, stderr })));
  t.strictSame(await json("list", "oak"), []);
});

void t.test("a connection is set up and changed, and its credentials are entered", async (t) => {
  const { source, json, credentials } = await installed(t);
  t.match(await source("letter", "oak", "--vendor", "infinite-campus"), { code: 0, stdout: /Token URL/u });
  const made = await source(...add, "--auth", "oauth1-sha1");
  t.match(made, { code: 0, stderr: /warning: credentials of Infinite Campus .* expire/u });
  t.match(
    made.stdout,
    /^added source api of oak\n\nTo be sent to the district:\n[^]*credentials oak {3}\(Consumer Key/u,
  );
  t.match((await source("list", "oak")).stdout, "oak\tapi\tapi\tenabled\n");
  const refused = await source("set", "oak", "schedule=0 3 * * *", "version=2");
  t.match(refused, { code: 2, stderr: /schedule/u });
  t.match(refused.stderr, /version/u, "all faults at once");
  t.match(await source("set", "oak", "sourceVersion=1.0", "expires=2000-01-01"), { stderr: /have expired on 2000/u });
  const year = new Date(Date.now() + 365 * 86_400_000).getUTCFullYear();
  t.match(await source("renew", "oak"), { code: 0, stdout: new RegExp(`until ${year}-`, "u"), stderr: "" });
  t.match(await json("renew", "oak", "--expires", "2099-12-31"), { settings: { expires: "2099-12-31" } });

  const partly = await credentials("Consumer Key: the-key");
  t.match(partly, { code: 0, stdout: /^set Consumer Key\nstill missing: Consumer Secret\n$/u });
  t.match(await source("pull", "oak"), { code: 1, stderr: /lacks Consumer Secret/u });
  t.match(await source("test", "oak"), { code: 1, stderr: /lacks Consumer Secret/u });
  t.match(await credentials("secret=the-secret"), { code: 0, stdout: /^set Consumer Secret\nto try it/u });
  t.match(await json("show", "oak"), {
    kind: "api",
    enabled: true,
    state: { state: "untested", since: null },
    credentials: [
      { name: "id", required: true, setAt: /^20/u },
      { name: "secret", setAt: /^20/u },
      { setAt: null },
      {},
    ],
    pulls: [],
    nextPull: /^20/u,
  });
  t.match((await source("show", "oak")).stdout, /Consumer Secret: set 20[^]*next pull: 20[^]*"infinite-campus"/u);
});

void t.test("a connection is ended in three ways, none of which deletes what came (E045 to E048)", async (t) => {
  const { system, source, json, credentials } = await installed(t);
  await source(...add, "--auth", "oauth1-sha1", "--expires", "2099-12-31");
  await credentials("key=the-key\nsecret=the-secret");
  const others = [
    source(...add, "--auth", "oauth1-sha1").then((ended) => t.match(ended, { code: 2, stderr: /there already/u })),
    source("add", "oak", "sftp").then((ended) => t.match(ended, { code: 1, stderr: /delivered by its source api/u })),
    source("waiting", "oak").then((ended) => t.match(ended, { code: 2, stderr: /is pulled from an API/u })),
  ];
  await Promise.all(others);
  t.match(await source("disable", "oak"), { code: 0, stdout: "source api of oak is disabled\n" });
  t.match(await json("show", "oak"), { enabled: false, nextPull: null });
  t.match(await source("pull", "oak"), { code: 1, stderr: /is disabled/u });
  t.match(await source("enable", "oak"), { code: 0, stdout: "source api of oak is enabled\n" });
  t.match(await source("remove-credentials", "oak"), { code: 0, stdout: /^removed 2 credentials/u });
  t.equal((await system.sql("api_credentials")).length, 0);
  t.match(await json("show", "oak"), { nextPull: null, credentials: [{ setAt: null }] });
  t.match(await source("delete", "oak"), { code: 3, stdout: /nothing that it delivered is deleted.*--yes/u });
  t.match(await source("delete", "oak", "--yes"), { code: 0, stdout: /deleted source api of oak/u });
  t.match(await source("show", "oak"), { code: 2, stderr: /has no source yet/u });
  const token = "https://oak.infinitecampus.example/t?appName=x";
  t.match(await source(...add, "--token-url", token), { code: 0, stderr: "" }, "and the id can be used again");
});

async function connected(t: Test, at: Installed, served: Served, ...set: readonly string[]): Promise<void> {
  const { version, auth } = served.settings;
  const token = auth === "oauth2" ? ["--token-url", served.tokenUrl] : [];
  const how = ["--vendor", "generic", "--url", served.url, "--oneroster", version, "--auth", auth, ...token];
  const made = await at.source("add", "oak", "api", ...how, "--set", "schedule=null", ...set);
  t.equal(made.code, 0, made.stderr);
  const { id = "", secret = "" } = served.credentials;
  t.match(await at.credentials(JSON.stringify({ "Consumer Key": id, "Consumer Secret": secret })), { code: 0 });
}

void t.test(
  "a probe counts everything, says what the district has to change, and delivers nothing (E042, D021 to D029)",
  async (t) => {
    const served = await oneRosterServer(t, { version: "1.2", auth: "oauth2", seed: 7 });
    const at = await installed(t, { signOn: { issuers: ["https://id.example"], userIdTypes: [] } });
    await connected(t, at, served, "pageSize=20", "resources=true");
    const { items } = served.data();
    const well = await at.json("test", "oak");
    t.match(well, {
      outcome: "well",
      error: null,
      signedIn: true,
      version: "1.2",
      baseUrl: served.url,
      verdict: "accepted",
    });
    t.match(well, {
      changes: [],
      scopes: [/./u],
      collections: [
        { collection: "orgs", state: "read", items: items.orgs.length },
        { collection: "academicSessions", items: items.academicSessions.length },
        { collection: "courses", items: items.courses.length },
        { collection: "classes", items: items.classes.length },
        { collection: "users", items: items.users.length },
        { collection: "enrollments", items: items.enrollments.length },
        { collection: "resources", items: items.resources.length },
      ],
    });
    t.match(await at.source("test", "oak"), {
      code: 0,
      stdout: /signed in, [^]*users: +\d+ in \d+ pages?[^]*All is well/u,
      stderr: "",
    });
    t.equal((await at.system.sql("deliveries")).length, 0, "nothing was delivered");

    const { image, version } = served.data();
    const bare = items.users.map(({ email: _email, ...user }) => user);
    served.setData({ image, version, items: { ...items, users: bare, classes: [] } });
    await at.system.sql("districts").update({
      policy: at.system.sql.raw(`policy || '{"features":{"autoRegistration":"simple"},"orgScope":["nowhere"]}'`),
    });
    const bad = await at.source("test", "oak");
    t.equal(bad.code, 3, bad.stderr);
    for (const words of [
      /classes: +empty/u,
      /no classes: fill them in/u,
      /\d+ of \d+ teachers have no email/u,
      /orgScope .* nowhere\./u,
    ])
      t.match(bad.stdout, words);
  },
);

void t.test("a probe of a source that cannot be read says why, and what can be read (A054, E015)", async (t) => {
  const served = await oneRosterServer(t, { version: "1.1", auth: "oauth1-sha256", seed: 3 });
  const at = await installed(t);
  await connected(t, at, served, "schedule=0 2 * * *");
  await at.credentials("Consumer Secret: not-the-secret");
  const refused = await at.source("test", "oak");
  t.match(refused, { code: 1, stdout: /not signed in[^]*orgs: +not tried[^]*Not all could be read:\n {2}\* /u });
  t.match(await at.json("test", "oak"), { outcome: "failed", error: { code: "api.unauthorised" }, signedIn: false });
  await served.close();
  t.match(await at.json("test", "oak"), { outcome: "failed", error: { code: "api.unreachable" } });
  t.equal((await at.system.sql("deliveries")).length, 0);
});

void t.test("a pull is asked for, waited for and told; and nothing shows a credential", async (t) => {
  const served = await oneRosterServer(t, { version: "1.1", auth: "oauth1-sha1", seed: 5 });
  const at = await installed(t);
  await connected(t, at, served);
  t.match((await at.source("pulls", "oak")).stdout, "no pulls yet\n");
  const first = await at.source("pull", "oak");
  t.equal(first.code, 0, first.stderr);
  t.match(first.stdout, /users: \d+ in \d+ pages?[^]*delivered as oak\.api\.1\noak\.api\.1: published\nchangeset 1\n/u);
  t.match(await at.json("pull", "oak"), {
    pull: { state: "same", delivery: null },
    state: { state: "ready", reason: null },
    outcome: null,
  });
  await at.credentials("Consumer Secret: not-the-secret");
  const failed = await at.source("pull", "oak");
  t.equal(failed.code, 1);
  t.match(failed.stdout, /^failed: [^\n]+\nnothing was delivered, and nothing is deleted\n/u);
  t.match(await at.json("show", "oak"), {
    state: { state: "unauthorised", failures: 1 },
    pulls: [{ state: "failed" }, {}, {}],
  });
  t.match((await at.source("pulls", "oak", "--limit", "2")).stdout, /^\S+\tfailed\t[^\n]+\n\S+\tsame\t[^\n]+\n$/u);
  t.match(await at.source("shares"), { code: 0, stdout: /^no shares are known/u });
  t.match(await at.source("reseal"), { code: 0, stdout: "sealed 0 credentials anew\n" });

  const { secret = "" } = served.credentials;
  const dump = await dumpOf(at.system);
  t.match(dump, "oak.api.1", "it is a dump");
  for (const canary of [secret, encodeURIComponent(secret), "not-the-secret", secretKeyText]) {
    t.notMatch(at.said(), canary, "said");
    t.notMatch(at.system.logged(), canary, "logged");
    for (const form of [canary, Buffer.from(canary).toString("hex"), Buffer.from(canary).toString("base64")])
      t.notMatch(dump, form, "stored");
  }
});

/** Every row of every table, as JSON; bytes as hexadecimal digits. */
async function dumpOf({ sql }: TestSystem): Promise<string> {
  const tables: readonly string[] = await sql("pg_tables").where({ schemaname: "public" }).pluck("tablename");
  const rows = await Promise.all(tables.map((table) => sql.raw("select to_jsonb(t)::text as row from ?? t", [table])));
  return JSON.stringify(rows.flatMap(({ rows: found }) => found));
}
