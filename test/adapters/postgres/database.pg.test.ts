// The pool and the migrations: taking turns, exact numbers, clear errors.

import t from "tap";
import { databaseFailure, migrate, openDatabase } from "../../../libs/adapters/postgres/database.ts";
import { isAppError } from "../../../libs/errors.ts";
import { freshDatabase } from "../../support/postgres.ts";

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
