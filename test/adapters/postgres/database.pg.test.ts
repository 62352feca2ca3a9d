// The pool and the migrations: taking turns, exact numbers, clear errors.

import { setTimeout as sleep } from "node:timers/promises";

import t from "tap";
import { type Database, databaseFailure, migrate, openDatabase } from "../../../libs/adapters/postgres/database.ts";
import { isAppError } from "../../../libs/errors.ts";
import { freshDatabase } from "../../support/postgres.ts";
import { throughCable } from "./cable.ts";

t.test("migrations run once, however many processes start at once, also after one died half way", async (t) => {
  const database = await freshDatabase(t);
  await database.sql.raw("drop schema public cascade; create schema public");
  const others = Array.from({ length: 3 }, () => openDatabase(database.url));
  await Promise.all([database, ...others].map(migrate));
  const names: readonly string[] = await database.sql("migrations").orderBy("id").pluck("name");
  t.ok(names.length > 0 && new Set(names).size === names.length);
  await database.sql("migrations_lock").update({ is_locked: 1 });
  await migrate(database);
  for (const other of others) await other.close();
  await database.close();
});

t.test("a whole number arrives as a number, and one that a number cannot hold is an error", async (t) => {
  const { sql } = await freshDatabase(t);
  t.match(await sql.raw("select 9007199254740991::bigint as n"), { rows: [{ n: 9007199254740991 }] });
  await t.rejects(sql.raw("select 9007199254740993::bigint as n"), RangeError);
});

t.test("a server that cannot be reached is an error that may pass, and a wrong URL is not repeated", async (t) => {
  const database = openDatabase("postgres://rollcall@localhost:5432/x?host=/nowhere");
  const failed: unknown = await database.sql.raw("select 1").catch(databaseFailure);
  t.ok(isAppError(failed, "database.unreachable") && failed.retryable);
  await database.close();
  t.throws(() => openDatabase("mysql://user:secret@host/db"), { code: "config.invalid", message: /^(?!.*secret)/u });
});

t.test("a connection that ends under a running query is an error that may pass", async (t) => {
  const watcher = await freshDatabase(t);
  const running = async (mark: string): Promise<number> => {
    for (;;) {
      const { rows } = await watcher.sql.raw<{ readonly rows: readonly { readonly pid: number }[] }>(
        "select pid from pg_stat_activity where datname = current_database() and state = 'active' and query like ?",
        [`select pg_sleep%${mark}`],
      );
      if (rows[0] !== undefined) return rows[0].pid;
      await sleep(20);
    }
  };
  const queries: Readonly<Record<string, (database: Database, mark: string) => Promise<unknown>>> = {
    alone: async ({ sql }, mark) => sql.raw(`select pg_sleep(30), ?::text -- ${mark}`, ["Ann"]),
    within: async ({ sql }, mark) =>
      sql.transaction(async (trx) => trx.raw(`select pg_sleep(30), ?::text -- ${mark}`, ["Ann"])),
  };
  for (const [name, query] of Object.entries(queries)) {
    for (const end of ["server", "network"]) {
      const mark = `${name}-${end}`;
      const cable = await throughCable(t, watcher.url);
      const database = openDatabase(cable.url);
      const failed = query(database, mark).then(() => null, databaseFailure);
      const pid = await running(mark);
      if (end === "network") cable.cut();
      // Of a client that is gone the server learns only when it answers.
      await watcher.sql.raw("select pg_terminate_backend(?)", [pid]);
      t.match(await failed, { code: "database.unreachable", retryable: true }, mark);
      await database.close();
    }
  }
});

t.test("a server that cannot write just now is an error that may pass", async (t) => {
  const { sql } = await freshDatabase(t);
  const failed: unknown = await sql
    .transaction(async (trx) => {
      await trx.raw("set transaction read only");
      await trx.raw("create table t (n integer)");
    })
    .catch(databaseFailure);
  t.ok(isAppError(failed, "database.unreachable") && failed.retryable);
  for (const code of ["53100", "53200"])
    t.ok(isAppError(databaseFailure(Object.assign(new Error("full"), { code })), "database.unreachable"), code);
});

t.test("a file that is missing is no lost connection", (t) => {
  const missing = Object.assign(new Error("no such file"), { code: "ENOENT", syscall: "open" });
  t.equal(databaseFailure(missing), missing);
  t.end();
});
