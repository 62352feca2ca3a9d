// The embedded server, in folders of its own: durable, one per folder, and gone with its owner.

import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";
import { isAlive, reachableDataDir } from "../../../libs/adapters/postgres/embedded-files.ts";
import { startPostgres } from "../../../libs/adapters/postgres/embedded.ts";
import { migrate, openDatabase } from "../../../libs/adapters/postgres/database.ts";
import type { Teardown } from "../../support/teardown.ts";

const ownerScript = join(import.meta.dirname, "..", "..", "support", "embedded-owner.ts");
const isRoot = process.getuid?.() === 0;

/** A folder in memory where there is some, which everyone may enter. */
function folder(t: Teardown): string {
  const made = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "rollcall-embedded-"));
  chmodSync(made, 0o755);
  t.teardown(() => rmSync(made, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 }));
  return made;
}

type Started = { readonly child: ChildProcess; readonly url: string; readonly owned: boolean; readonly pid: number };

async function owner(dataDir: string): Promise<Started> {
  const child = spawn(process.execPath, [ownerScript, dataDir], { stdio: ["pipe", "pipe", "inherit"] });
  const [line]: readonly unknown[] = await Promise.race([once(child.stdout, "data"), once(child, "exit")]);
  const said: unknown = JSON.parse(String(line));
  if (typeof said !== "object" || said === null || !("url" in said && "owned" in said && "pid" in said))
    throw new Error("no answer");
  return { child, url: String(said.url), owned: said.owned === true, pid: Number(said.pid) };
}

async function ends(pid: number): Promise<boolean> {
  for (let i = 0; i < 100 && isAlive(pid); i++) await sleep(50);
  return !isAlive(pid);
}

// Servers start on a disk here, several at once: a slow disk is no fault.
t.setTimeout(240_000);

t.test("what was committed is there after a stop, and after a kill of the process that owned the server", async (t) => {
  const dataDir = join(folder(t), "data");
  const first = await startPostgres({ dataDir });
  t.equal(first.owned, true);
  t.equal(statSync(dataDir).mode & 0o777, 0o700);
  const database = openDatabase(first.url);
  await migrate(database);
  await database.sql("leases").insert({ name: "a", holder: "b", epoch: 1, expires_at: new Date() });
  await database.close();
  await first.stop();
  await first.stop();
  t.notOk(isAlive(first.pid ?? 0));

  const second = await owner(dataDir);
  const again = openDatabase(second.url);
  await again.sql("leases").insert({ name: "c", holder: "b", epoch: 1, expires_at: new Date() });
  second.child.kill("SIGKILL");
  t.ok(await ends(second.pid), "no server is left behind");
  await again.close();

  const third = await startPostgres({ dataDir });
  const last = openDatabase(third.url);
  t.same(await last.sql("leases").orderBy("name").pluck("name"), ["a", "c"]);
  await last.close();
  await third.stop();
});

t.test("of processes that start at once one owns the server and the others use it", async (t) => {
  const dataDir = join(folder(t), "data");
  const started = await Promise.all([owner(dataDir), owner(dataDir), owner(dataDir)]);
  t.equal(started.filter((one) => one.owned).length, 1);
  t.equal(new Set(started.map((one) => one.url)).size, 1);
  for (const one of started.toSorted((a, b) => Number(a.owned) - Number(b.owned))) {
    const database = openDatabase(one.url);
    t.ok(await database.sql.raw("select 1"));
    await database.close();
    one.child.stdin?.end();
    t.same(await once(one.child, "exit"), [0, null]);
  }
  t.same(readdirSync(join(dataDir, "..")), ["data"], "nothing half made is left");
});

t.test("processes that come and go on one folder all find a server, whoever starts and ends it", async (t) => {
  const dataDir = join(folder(t), "data");
  const comeAndGo = async (): Promise<unknown> => {
    const { child } = await owner(dataDir);
    child.stdin?.end();
    return once(child, "exit");
  };
  for (let round = 0; round < 6; round++)
    t.same(
      await Promise.all([comeAndGo(), comeAndGo(), comeAndGo(), comeAndGo()]),
      Array.from({ length: 4 }, () => [0, null]),
    );
  t.same(
    readdirSync(dataDir).filter((name) => name.startsWith("server.log")),
    ["server.log"],
  );
});

t.test("a data directory with a path too long for a socket works", async (t) => {
  const dataDir = join(folder(t), "x".repeat(60), "y".repeat(60), "data");
  const running = await startPostgres({ dataDir });
  const database = openDatabase(running.url);
  t.ok(await database.sql.raw("select 1"));
  await database.close();
  await running.stop();
});

t.test("a folder that holds something else is left alone, with a clear error", async (t) => {
  const dataDir = join(folder(t), "data");
  mkdirSync(dataDir);
  writeFileSync(join(dataDir, "letter.txt"), "mine");
  await t.rejects(startPostgres({ dataDir }), { code: "database.start", message: /not empty/u });
  rmSync(join(dataDir, "letter.txt"));
  writeFileSync(join(dataDir, "PG_VERSION"), "12\n");
  await t.rejects(startPostgres({ dataDir }), { code: "database.start", message: /PostgreSQL 12/u });
});

t.test(
  "a folder that the server's user cannot enter is refused, and another is offered",
  { skip: !isRoot },
  async (t) => {
    const closed = folder(t);
    chmodSync(closed, 0o700);
    const dataDir = join(closed, "project", "data");
    await t.rejects(startPostgres({ dataDir }), {
      code: "database.start",
      message: /cannot enter .*\/var\/lib\/rollcall\//u,
    });
    t.match(await reachableDataDir(dataDir), /^\/var\/lib\/rollcall\/[0-9a-f]{12}\/postgres$/u);
    chmodSync(closed, 0o755);
    t.equal(await reachableDataDir(dataDir), dataDir);
  },
);
