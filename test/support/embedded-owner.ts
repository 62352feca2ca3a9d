// A process that starts the embedded PostgreSQL of a folder, says so as one line of JSON, and lives until it is killed
// or its input ends; then it stops the server as a service would.

import { once } from "node:events";
import { startPostgres } from "../../libs/adapters/postgres/embedded.ts";

const running = await startPostgres({ dataDir: process.argv[2] ?? "" });
process.stdout.write(`${JSON.stringify({ url: running.url, owned: running.owned, pid: running.pid })}\n`);
process.stdin.resume();
await once(process.stdin, "end");
await running.stop();
