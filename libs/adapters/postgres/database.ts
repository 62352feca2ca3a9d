// The door to PostgreSQL: one pool of connections, the rules by which its types are read, and the migrations.
// It keeps true that whole numbers arrive as numbers or not at all (never rounded), and that migrations run once,
// in order, however many processes start at the same moment.

import { join } from "node:path";
import knex from "knex";
import type { Knex } from "knex";
import pg from "pg";
import { assert } from "../../domain/assert.ts";
import { AppError } from "../../errors.ts";

export type Database = {
  readonly sql: Knex;
  /** For connections beside the pool, such as the one that listens. */
  readonly url: string;
  /** Ends the pool when its queries are done. Twice is harmless. */
  close(): Promise<void>;
};

const int8 = 20;
// A number of our own choosing, taken by whoever migrates: "rollcall" in spirit, unique among our advisory locks.
const migrationLock = 7_265_011;

/**
 * Opens a pool; the first connection is made by the first query.
 * @param options.max most connections at once.
 * @throws AppError `config.invalid` when the URL is not one of PostgreSQL (the URL is not repeated: it holds a password).
 */
export function openDatabase(url: string, options: { readonly max?: number } = {}): Database {
  if (!/^postgres(?:ql)?:\/\//u.test(url)) {
    throw new AppError("config.invalid", { message: "DATABASE_URL must begin with postgres:// or postgresql://" });
  }
  const sql = knex({
    client: "pg",
    connection: { connectionString: url, types: { getTypeParser }, application_name: "rollcall" },
    pool: { min: 0, max: options.max ?? 10 },
    acquireConnectionTimeout: 30_000,
    migrations: {
      directory: join(import.meta.dirname, "..", "..", "..", "migrations"),
      loadExtensions: [".ts"],
      tableName: "migrations",
    },
    // knex writes warnings to stderr by itself; what matters also reaches the caller as an error.
    log: { warn: () => {}, error: () => {}, debug: () => {}, deprecate: () => {} },
  });
  let closed: Promise<void> | undefined;
  return { sql, url, close: () => (closed ??= sql.destroy()) };
}

/**
 * Brings the schema to the newest migration. Safe when several processes do so at once: they take turns.
 * A process that dies half way leaves the schema as before, and nothing locked.
 */
export async function migrate(db: Database): Promise<void> {
  await db.sql.transaction(async (turn) => {
    await turn.raw("select pg_advisory_xact_lock(?)", [migrationLock]);
    // knex's own lock is a row that survives its holder; ours went with the holder's session, so the row is stale.
    await db.sql.migrate.forceFreeMigrationsLock();
    await db.sql.migrate.latest();
  });
}

/** Makes an error of the connection an AppError, so that whoever waits knows it may pass; others stay as they are. */
export function databaseFailure(cause: unknown): unknown {
  if (!(cause instanceof Error) || cause instanceof AppError) return cause;
  const code = "code" in cause && typeof cause.code === "string" ? cause.code : "";
  // Files may be missing for other reasons; only to a connection does it say that the server's socket is gone.
  const isSocketGone = code === "ENOENT" && "syscall" in cause && cause.syscall === "connect";
  if (!isSocketGone && !lostCodes.test(code) && !lostWords.test(cause.message)) return cause;
  return new AppError("database.unreachable", { cause, details: { code } });
}

// With those of a connection: of a transaction that lost against another one, of a server that only reads (a standby, or
// one that is being moved), and of one whose disk or memory is full. The same again may pass.
const lostCodes = /^(?:08|57P0|53[123]00|25006|40001|40P01|ECONN|EPIPE|ETIMEDOUT)/u;
// The driver and the pool say so in words alone when a connection ends under a query; knex writes the query before them.
const lostWords =
  /(?:^| - )(?:Connection terminated|Connection ended|Client has encountered a connection error|Knex: Timeout acquiring|Unable to acquire a connection)/u;

/** How a column's text becomes a value; the pool's own, because pg's table is shared by the whole process. */
function getTypeParser(oid: number, format?: string): (value: string) => unknown {
  // Binary columns are never asked for: this version of the driver decodes them as UTF-8 first.
  assert(format !== "binary", "queries are answered in text");
  return oid === int8 ? whole : pg.types.getTypeParser(oid, "text");
}

function whole(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError("a bigint beyond 2^53 cannot be read as a number");
  return value;
}
