// However a command fails, it says why and ends: nothing that it opened keeps its process alive.

import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import t from "tap";

import { openDatabase } from "../../libs/adapters/postgres/database.ts";
import { openSystem } from "../../libs/cli/system.ts";
import { createLogger } from "../../libs/runtime/logger.ts";
import { type Ended, start } from "../support/child.ts";
import { freshDatabase } from "../support/postgres.ts";
import type { Teardown } from "../support/teardown.ts";

const launcher = join(import.meta.dirname, "../../bin/rollcall");
const soonMs = 45_000;
t.setTimeout(120_000);

type Environment = { readonly env: NodeJS.ProcessEnv; readonly cwd: string };

/** Runs a command that has to end soon; one that stays is ended, and then has no exit code. */
async function ends(line: string, { env, cwd }: Environment): Promise<Ended> {
  const child = start([launcher, ...line.split(" ")], { env, cwd });
  const alarm = setTimeout(() => child.kill("SIGKILL"), soonMs);
  const ended = await child.ended;
  clearTimeout(alarm);
  return ended;
}

/** A folder that the embedded server's user may enter. */
function openFolder(t: Teardown): string {
  const folder = mkdtempSync(join(tmpdir(), "rollcall-endings-"));
  chmodSync(folder, 0o755);
  t.teardown(() => rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 }));
  return folder;
}

const ofNobody = [
  "plan nowhere",
  "deliver nowhere set",
  "approve nowhere 1",
  "reject nowhere 1",
  "resume nowhere",
  "changes nowhere --follow",
  "district show nowhere",
  "district set nowhere demographics=true",
] as const;
const onDatabase = [...ofNobody, "report a.b.1", "district list", "district add d", "up"] as const;

void t.test("a district or delivery that does not exist ends every verb with 2", async (t) => {
  const cwd = t.testdir({});
  const place = { cwd, env: { ROLLCALL_DATA: join(cwd, "data"), DATABASE_URL: (await freshDatabase(t)).url } };
  for (const line of ofNobody) {
    const { code, stderr } = await ends(line, place);
    t.match([code, stderr], [2, "there is no district nowhere"], line);
  }
  t.match(await ends("report a.b.1", place), { code: 2, stderr: /there is no delivery a\.b\.1/u });
});

void t.test("what cannot be read or written ends a verb with 1", async (t) => {
  const cwd = t.testdir({ file: "", "broken.zip": "PK" });
  const place = { cwd, env: { ROLLCALL_DATA: join(cwd, "data"), DATABASE_URL: (await freshDatabase(t)).url } };
  t.equal((await ends("district add d", place)).code, 0);
  const cases = [
    ["validate nowhere", "set.unreadable"],
    ["deliver d nowhere", "set.unreadable"],
    ["deliver d broken.zip", "set.unreadable"],
    ["sample --students 5 --out file/set", "sample.io"],
    ["templates --out file/templates", "sample.io"],
  ] as const;
  for (const [line, error] of cases) {
    const { code, stdout, stderr } = await ends(`${line} --json`, place);
    t.equal(code, 1, line);
    t.match(JSON.parse(stdout), { error: { code: error } }, line);
    t.match(stderr, /^rollcall: .+\n {2}.+\n$/u, `${line}: no stack`);
  }
  const nowhere = { cwd, env: { ROLLCALL_DATA: join(cwd, "file/data"), DATABASE_URL: "" } };
  t.match(await ends("district list", nowhere), { code: 1, stderr: /data folder .+ cannot be made/u });
});

void t.test("a DATABASE_URL that leads nowhere ends every verb that needs it, without its secret", async (t) => {
  const cwd = t.testdir({});
  const noDatabase = new URL((await freshDatabase(t)).url);
  noDatabase.pathname = "/there-is-none";
  const urls = [
    ["postgres://someone:secret@localhost:1/none", 1, "database.unreachable"],
    ["postgres://someone:secret@nowhere.invalid/none", 1, "database.unreachable"],
    ["mysql://someone:secret@localhost/none", 2, "config.invalid"],
    [noDatabase.href, 2, "config.invalid"],
  ] as const;
  for (const [at, [url, exitCode, error]] of urls.entries()) {
    // Every verb once, and one of them with each URL.
    for (const line of at === 0 ? onDatabase : (["district list", "up"] as const)) {
      const env = { ROLLCALL_DATA: join(cwd, "data"), DATABASE_URL: url };
      const { code, stdout, stderr } = await ends(`${line} --json`, { cwd, env });
      t.equal(code, exitCode, `${line}, case ${at}`);
      t.match(JSON.parse(stdout), { error: { code: error } }, `${line}, case ${at}`);
      t.notMatch(stdout + stderr, "secret");
    }
  }
});

void t.test("a second up says that one runs, and ends; the first goes on", async (t) => {
  const folder = openFolder(t);
  for (const url of ["", (await freshDatabase(t)).url]) {
    const place = { cwd: folder, env: { ROLLCALL_DATA: join(folder, "data"), DATABASE_URL: url } };
    const first = start([launcher, "up"], place);
    await first.said("Ctrl-C stops them");
    const second = await ends("up --json", place);
    t.equal(second.code, 1);
    t.match(JSON.parse(second.stdout), { error: { code: "data.busy", message: /up runs already/u } });
    t.equal((await ends("district list", place)).code, 0, "commands work beside the first");
    t.match(await ends("plan nowhere", place), { code: 2 });
    first.kill("SIGTERM");
    t.equal((await first.ended).code, 0);
  }
});

void t.test("a command that waited for its turn in vain lets go of what it opened", async (t) => {
  const dataDir = join(openFolder(t), "data");
  const logger = createLogger({ name: "test", level: "silent" });
  const settings = { dataDir, databaseUrl: null };
  const first = await openSystem(settings, logger);
  await t.rejects(openSystem({ ...settings, busyLimitMs: 300 }, logger), {
    code: "data.busy",
    message: `another command uses ${dataDir}`,
  });
  await first.close();
  const again = await openSystem({ ...settings, busyLimitMs: 300 }, logger);
  await again.close();
});

void t.test("a system whose database went away closes all the same", async (t) => {
  const folder = openFolder(t);
  const settings = { dataDir: folder, databaseUrl: (await freshDatabase(t)).url };
  const system = await openSystem(settings, createLogger({ name: "test", level: "silent" }));
  const other = openDatabase(settings.databaseUrl);
  await other.sql.raw(
    "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()",
  );
  await other.close();
  await system.close();
  await system.close();
  t.pass("and twice is harmless");
});
