// A PostgreSQL log over a fresh database, for tests.

import { compact } from "../../libs/adapters/postgres/compact.ts";
import { postgresLog } from "../../libs/adapters/postgres/log.ts";
import type { PostgresLog } from "../../libs/adapters/postgres/log.ts";
import { openCodec } from "../../libs/adapters/registry/codec.ts";
import { repositoryRegistry } from "../../libs/adapters/registry/repository.ts";
import type { LogUnderTest } from "../contract/log-under-test.ts";
import { freshDatabase } from "./postgres.ts";
import type { Teardown } from "./teardown.ts";

/** Two logs over one fresh database; closed and dropped at the end of the test. */
export async function freshLogs(t: Teardown): Promise<LogUnderTest & { readonly log: PostgresLog }> {
  const database = await freshDatabase(t);
  const codec = await openCodec(repositoryRegistry());
  const log = postgresLog({ database, codec });
  const other = postgresLog({ database, codec });
  t.teardown(async () => {
    await log.close();
    await other.close();
  });
  return {
    log,
    other,
    database,
    codec,
    expire: (topic, before) => log.deleteBefore(topic, before),
    compact: async (topic) => {
      await compact(database, topic, { olderThanMs: 0, tombstonesOlderThanMs: 0 });
    },
  };
}
