// The verbs about sources through the real launcher: an account is set up and told in one letter, secrets are shown once,
// and what would let two sources or two districts meet is refused.

import { randomUUID } from "node:crypto";
import { mkdirSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import t, { type Test } from "tap";

import { newKeyPair } from "../../libs/adapters/sftp/key-pair.ts";
import { isPassword } from "../../libs/adapters/sftp/password.ts";
import { auditSftp } from "../../libs/adapters/sftp/audit.ts";
import { PostgresAccounts } from "../../libs/adapters/sftp/accounts.ts";
import type { Waiting } from "../../libs/domain/drop.ts";
import { parseSourceId } from "../../libs/domain/ids.ts";
import { type Ended, finish } from "../support/child.ts";
import { addDistrict, districtNamed, freshSystem, type TestSystem } from "../support/system.ts";

const launcher = join(import.meta.dirname, "../../bin/rollcall");
t.setTimeout(240_000);

type Installed = {
  readonly system: TestSystem;
  readonly source: (...args: readonly string[]) => Promise<Ended>;
  readonly json: (...args: readonly string[]) => Promise<unknown>;
};

async function installed(t: Test): Promise<Installed> {
  const system = await freshSystem(t);
  await addDistrict(system, "oak");
  await addDistrict(system, "elm");
  const env = {
    ROLLCALL_DATA: join(system.folder, "data"),
    DATABASE_URL: system.database.url,
    ROLLCALL_SFTP_PUBLIC: "sftp.vendor.example:22",
  };
  const source = (...args: readonly string[]): Promise<Ended> => finish([launcher, "source", ...args], { env });
  const json = async (...args: readonly string[]): Promise<unknown> => {
    const { stdout, stderr } = await source(...args, "--json");
    if (stdout === "") throw new Error(stderr);
    return JSON.parse(stdout);
  };
  return { system, source, json };
}

/** A file with a new public key. */
function keyFile(folder: string, name: string): string {
  const file = join(folder, name);
  writeFileSync(file, `# for the test\n${newKeyPair("ed25519").public} office\n`);
  return file;
}

const passwordForm = /Password: {6}(?<password>\w{24}) {3}\(shown this once\)/u;

void t.test(
  "an account is made with all that a district needs, in one letter (A028, A029, C016, D011 to D013)",
  async (t) => {
    const { system, source, json } = await installed(t);
    const addresses = ["198.51.100.7", "203.0.113.0/24"];
    const settings = ["expected=0 3 * * *", "path=/roster", "format=zip"];
    const made = await source("add", "oak", "sftp", "--address", ...addresses, "--set", ...settings);
    t.strictSame([made.code, made.stderr], [0, ""]);
    for (const line of [
      /^added source sftp of oak$/mu,
      /Host: +sftp\.vendor\.example$/mu,
      /Port: +22$/mu,
      /User name: +oak$/mu,
      passwordForm,
      /Host key: +ssh-ed25519 SHA256:\S{43}$/mu,
      /Connect from: +198\.51\.100\.7, 203\.0\.113\.0\/24$/mu,
      /Upload to: +\/roster$/mu,
      /What: +one zip /mu,
      /When: +0 3 \* \* \* \(cron, America\/New_York\)$/mu,
    ])
      t.match(made.stdout, line);
    const password = passwordForm.exec(made.stdout)?.groups?.["password"] ?? "";
    const shown = await source("show", "oak");
    t.match(shown.stdout, /sftp of oak: sftp, enabled\n {2}\d+\tpassword\t[^\n]*last used never/u);
    t.notMatch(shown.stdout + JSON.stringify(await json("show", "oak")), password, "shown once");
    const [{ secret }] = await system.sql("sftp_credentials").select("secret");
    t.notMatch(secret, password, "and not kept");
    t.ok(await isPassword(password, secret));
    t.match(await json("show", "oak"), {
      kind: "sftp",
      enabled: true,
      access: { host: "sftp.vendor.example", port: 22, username: "oak", hostKeys: [{ type: "ssh-ed25519" }] },
      settings: { path: "/roster", quietSeconds: 60, addresses: ["198.51.100.7", "203.0.113.0/24"] },
    });
    t.match((await source("list")).stdout, "oak\tsftp\tsftp\tenabled\n");
    t.strictSame(await json("list", "elm"), []);
  },
);

void t.test("passwords and keys change without a night in between (A029)", async (t) => {
  const { system, source, json } = await installed(t);
  const [one, two] = [keyFile(system.folder, "one.pub"), keyFile(system.folder, "two.pub")];
  t.match(await json("add", "oak", "sftp", "--key", one, "--json"), { password: null, credentials: [{ kind: "key" }] });
  t.match(await source("key", "oak", two), { code: 0, stdout: /^added SHA256:/u });
  t.match(await source("key", "oak", two), { code: 2, stderr: /source\.key-exists|already/u });
  const passwords = [await source("password", "oak"), await source("password", "oak")].map(({ stdout }) =>
    stdout.trim(),
  );
  const accounts = new PostgresAccounts({
    sql: system.sql,
    files: () => {
      throw new Error("nobody looks at files here");
    },
  });
  const sftp = parseSourceId("sftp");
  if (sftp === null) throw new Error("sftp is a source id");
  const account = { district: districtNamed("oak"), source: sftp, addresses: [] };
  const accepted = async (password: string): Promise<boolean> =>
    (await accounts.accepts(account, { kind: "password", password })) !== null;
  t.strictSame(await Promise.all(passwords.map(accepted)), [true, true], "both hold");
  t.match(await source("password", "oak"), { code: 2, stderr: /source\.passwords|third password/u }, "and no third");
  const replaced: unknown = await json("password", "oak", "--replace");
  t.match(replaced, { district: "oak", source: "sftp", password: /^\w{24}$/u });
  t.strictSame(await Promise.all(passwords.map(accepted)), [false, false], "and then none of them");
  const [{ id }] = await system.sql("sftp_credentials").where({ kind: "key" }).orderBy("id").select("id");
  t.match(await source("end-credential", "oak", String(id)), { code: 0, stdout: `ended credential ${id}\n` });
  t.match(await source("end-credential", "oak", String(id)), { code: 2, stderr: /has no credential/u });
  t.equal((await system.sql("sftp_credentials")).length, 2, "a key and a password are left");
});

void t.test("a second source waits until the first one is disabled", async (t) => {
  const { system, source } = await installed(t);
  const drop = join(system.folder, "drop");
  mkdirSync(drop);
  t.match(await source("add", "oak", "sftp"), { code: 0 });
  t.match(await source("add", "oak", "sftp"), { code: 2, stderr: /making a source that is there already/u });
  t.match(await source("add", "oak", "folder", "--folder", drop), { code: 1, stderr: /delivered by its source sftp/u });
  t.match(await source("disable", "oak"), { code: 0, stdout: "source sftp of oak is disabled\n" });
  t.match(await source("add", "oak", "folder", "--folder", drop), { code: 0, stdout: "added source folder of oak\n" });
  t.match(await source("enable", "oak", "--source", "sftp"), { code: 1, stderr: /delivered by its source folder/u });
  t.match(await source("show", "oak"), { stdout: /^folder of oak: folder, enabled/u });
  t.match(await source("disable", "oak"), { code: 0 });
  t.match(await source("show", "oak"), { code: 2, stderr: /name one with --source: folder, sftp/u });
  t.match(await source("enable", "oak", "--source", "sftp"), { code: 0, stdout: "source sftp of oak is enabled\n" });
});

void t.test("a folder is watched for one source alone", async (t) => {
  const { system, source, json } = await installed(t);
  const drop = join(system.folder, "drop");
  const inner = join(drop, "elm");
  mkdirSync(inner, { recursive: true });
  const link = join(system.folder, "link");
  symlinkSync(drop, link);
  t.match(await json("add", "oak", "folder", "--folder", link, "--set", "readOnly=true"), {
    access: null,
    settings: { folder: realpathSync(drop), readOnly: true },
  });
  for (const [folder, why] of [
    [drop, /overlaps with that of source folder of oak/u],
    [inner, /overlaps with that of source folder of oak/u],
    [system.folder, /overlaps|data folder/u],
    [join(system.folder, "nowhere"), /there is no folder/u],
  ] as const)
    t.match(await source("add", "elm", "folder", "--folder", folder), { code: 2, stderr: why });
  t.match(await source("set", "oak", `folder=${drop}`, "quietSeconds=5"), { code: 0 }, "its own is no other's");
});

void t.test("wrong usage says what is wrong, and changes nothing", async (t) => {
  const { source, json } = await installed(t);
  const wrong: readonly (readonly [readonly string[], RegExp])[] = [
    [["add", "oak", "ftp"], /Allowed choices are sftp, folder/u],
    [["add", "oak", "folder"], /folder must name the folder/u],
    [["add", "oak", "sftp", "--folder", "/tmp"], /--folder is for the kind folder/u],
    [["add", "ash", "sftp"], /no district ash/u],
    [["add", "oak", "sftp", "--source", "A.b"], /a source id is/u],
    [["add", "oak", "sftp", "--key", "/nowhere"], /nowhere cannot be read/u],
    [["show", "oak"], /has no source yet/u],
    [["password", "oak", "--source", "other"], /no source other/u],
  ];
  await Promise.all(wrong.map(async ([args, stderr]) => t.match(await source(...args), { code: 2, stderr })));
  await source("add", "oak", "sftp");
  const faults = [
    "quietSeconds=-1",
    "addresses=oak.example",
    "window=99 * * * *",
    "requiredFiles=people",
    "path=roster",
  ];
  const faulty = await source("set", "oak", ...faults, "colour=red");
  t.equal(faulty.code, 2);
  for (const fault of [...faults, "colour"]) t.match(faulty.stderr, fault.split("=")[0]);
  t.match(await source("set", "oak", "path=/reports/roster"), { code: 2, stderr: /not be in \/reports/u });
  t.match(await source("set", "oak", "readOnly=true"), { code: 2, stderr: /for the kind folder/u });
  t.match(await json("show", "oak"), { settings: { quietSeconds: 60, path: "/", readOnly: false } });
  t.match(await json("set", "oak", "requiredFiles=orgs,users", "window=0 2 * * *", "addresses="), {
    settings: { requiredFiles: ["orgs", "users"], window: "0 2 * * *", addresses: [] },
  });
});

void t.test("what waits is told in words, and who came is listed", async (t) => {
  const { system, source, json } = await installed(t);
  await source("add", "oak", "sftp");
  t.match(await source("waiting", "oak"), { code: 0, stdout: "nothing waits in sftp of oak\n" });
  t.strictSame(await json("waiting", "oak"), { waiting: null, sets: [] });
  const state: Waiting = {
    missing: ["enrollments.csv"],
    unfinished: [{ path: "/orgs.csv", state: "torn", bytes: 17 }],
    received: ["/classes.csv"],
    odd: [{ path: "/Users.csv", why: "name", suggestion: "/users.csv" }],
    manifest: null,
  };
  const wait = { district: "oak", source: "sftp", state: JSON.stringify(state), since: new Date(0) };
  await system.sql("drop_waits").insert(wait);
  const { stdout } = await source("waiting", "oak");
  t.match(stdout, /missing:\n {2}enrollments\.csv[\s\S]*\/orgs\.csv {2}17 bytes[\s\S]*Did you mean \/users\.csv\?/u);
  t.match(await json("waiting", "oak"), {
    waiting: { since: "1970-01-01T00:00:00.000Z", missing: ["enrollments.csv"] },
  });
  const at = { complete_at: new Date("2026-11-24T20:00:00Z"), taken_at: new Date("2026-11-24T20:00:00Z") };
  const set = { district: "oak", source: "sftp", id: randomUUID(), state: "taken", files: "[]", ...at };
  await system.sql("drop_sets").insert(set);
  t.match((await source("waiting", "oak")).stdout, /\ncomplete since 2026-11-24T20:00:00\.000Z, about to be read\n$/u);
  await source("set", "oak", "window=0 2 * * *");
  t.match((await source("waiting", "oak")).stdout, /\.000Z, read from 2026-11-25T07:00:00\.000Z on\n$/u);

  t.match(await source("audit", "oak"), { stdout: "nothing yet\n" });
  const sftp = parseSourceId("sftp");
  if (sftp === null) throw new Error("sftp is a source id");
  const account = { district: districtNamed("oak"), source: sftp, addresses: [] };
  const address = "198.51.100.7";
  await auditSftp(system.sql, { event: "refused", account: null, address, reason: "unknown name" });
  await auditSftp(system.sql, { event: "login", account, address });
  await auditSftp(system.sql, { event: "rename", account, address, path: "/users.csv", formerPath: "/users.part" });
  t.match(
    (await source("audit", "oak")).stdout,
    /\toak\.sftp\tlogin\t198\.51\.100\.7\n[^\n]*\t\/users\.part to \/users\.csv\n$/u,
  );
  t.match((await source("audit")).stdout, /\tno account\trefused\t198\.51\.100\.7\t\t\tunknown name\n/u);
  t.match(await json("audit", "oak", "--limit", "1"), [{ event: "rename", district: "oak", path: "/users.csv" }]);
  t.match(await source("audit", "oak", "--limit", "0"), { code: 2 });
});
