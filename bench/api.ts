// How fast a source is pulled: signing in, paging every collection and spooling its pages to disk, as ingest-api does,
// beside a loop that asks for one page after the other, parses its JSON and counts. Both read the same server, which is
// another process, in turns and in one run: OneRoster 1.1 with OAuth 1.0a, 1.2 with OAuth 2.
// It keeps true that both have seen every record. Ours also proves that it has; the loop believes the total.
//
//   BENCH_STUDENTS  students of the district, 12,000 unless given, which are more than 100,000 records
//   BENCH_ROUNDS    how often each is measured, 3 unless given
//   BENCH_PAGE      records of a page, 1,000 unless given
//   BENCH_DELAY_MS  how long the server takes over each answer, 0 unless given
//   BENCH_FOLDER    where the temporary folder is made

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { defaultPatience } from "../libs/adapters/oneroster-api/api.ts";
import { connect } from "../libs/adapters/oneroster-api/connect.ts";
import { authorization } from "../libs/adapters/oneroster-api/oauth1.ts";
import { pullCollections } from "../libs/adapters/oneroster-api/pull.ts";
import { collectionUrl } from "../libs/domain/api/base-url.ts";
import { type Collection, collections } from "../libs/domain/api/collections.ts";
import { generic } from "../libs/domain/api/profiles/generic.ts";
import type { ApiSettings } from "../libs/domain/api/settings.ts";
import { oneRosterServer, type ServerOptions } from "../test/support/oneroster-server.ts";
import { countFromEnv, inFolder, machine, optionsFromEnv, say } from "./ground.ts";
import { markdown, median, ratio, report } from "./table.ts";

const ways = [
  { name: "1.1, OAuth 1.0a", version: "1.1", auth: "oauth1-sha256" },
  { name: "1.2, OAuth 2", version: "1.2", auth: "oauth2" },
] as const;

/** What the server's process says once it listens. */
type Source = {
  readonly settings: ApiSettings;
  readonly credentials: Readonly<Record<string, string>>;
  readonly tokenUrl: string;
  readonly records: number;
};
type Run = { readonly seconds: number; readonly cpuSeconds: number };
type Line = { readonly name: string; readonly records: number; readonly ours: Run; readonly loop: Run };

async function main(): Promise<void> {
  const { parent, rounds } = optionsFromEnv();
  const students = countFromEnv("BENCH_STUDENTS", 12_000);
  await inFolder(parent, async (folder) => {
    const lines: Line[] = [];
    for (const way of ways) lines.push(await measure({ ...way, folder, students, rounds }));
    await tell(lines, { students, rounds });
  });
}

async function measure(
  about: (typeof ways)[number] & { readonly folder: string; readonly students: number; readonly rounds: number },
): Promise<Line> {
  const { name, version, auth, folder, students, rounds } = about;
  const { source, server } = await startServer({ version, auth, students });
  try {
    const [ours, loop]: readonly [Run[], Run[]] = [[], []];
    // The first round warms both up.
    for (let round = 0; round <= rounds; round++) {
      const turn = [
        await timed(source, () => pull(source, join(folder, `${version}-${round}`))),
        await timed(source, () => read(source)),
      ] as const;
      if (round === 0) continue;
      ours.push(turn[0]);
      loop.push(turn[1]);
      say(`${name}, round ${round}: ours ${turn[0].seconds.toFixed(2)} s, the loop ${turn[1].seconds.toFixed(2)} s`);
    }
    const bySeconds = ({ seconds }: Run): number => seconds;
    return { name, records: source.records, ours: median(ours, bySeconds), loop: median(loop, bySeconds) };
  } finally {
    server.stdin?.end();
    await once(server, "exit");
  }
}

async function startServer(
  options: Pick<ServerOptions, "version" | "auth" | "students">,
): Promise<{ readonly source: Source; readonly server: ChildProcess }> {
  const server = spawn(process.execPath, [import.meta.filename, "serve", JSON.stringify(options)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  for await (const line of createInterface(server.stdout)) {
    const source: Source = JSON.parse(line);
    return { source, server };
  }
  throw new Error("the server said nothing");
}

/** In the server's process, until its standard input ends. */
async function serve(options: ServerOptions): Promise<void> {
  const pageSize = countFromEnv("BENCH_PAGE", 1000);
  const delayMs = countFromEnv("BENCH_DELAY_MS", 0);
  const served = await oneRosterServer({ teardown: () => {} }, { ...options, delayMs });
  const source: Source = {
    settings: { ...served.settings, pageSize },
    credentials: served.credentials,
    tokenUrl: served.tokenUrl,
    records: collections.reduce((sum, name) => sum + served.data().items[name].length, 0),
  };
  console.log(JSON.stringify(source));
  await once(process.stdin.resume(), "end");
  await served.close();
}

async function timed(source: Source, work: () => Promise<number>): Promise<Run> {
  const [started, cpu] = [performance.now(), process.cpuUsage()];
  const records = await work();
  const { user, system } = process.cpuUsage(cpu);
  if (records !== source.records) throw new Error(`${records} records of ${source.records} were read`);
  return { seconds: (performance.now() - started) / 1000, cpuSeconds: (user + system) / 1e6 };
}

async function pull({ settings, credentials }: Source, folder: string): Promise<number> {
  await mkdir(folder, { recursive: true });
  const { signal } = new AbortController();
  const common = { settings, profile: generic, wanted: collections, signal, patience: defaultPatience };
  const api = await connect({ ...common, credentials, atOnce: () => generic.requests.atOnce });
  try {
    const pulled = await pullCollections(api, { ...common, folder, counts: null });
    return pulled.collections.reduce((sum, { items }) => sum + items, 0);
  } finally {
    await api.close();
    await rm(folder, { recursive: true });
  }
}

/** The plain loop: one page after the other until as many records were seen as there are said to be. */
async function read(source: Source): Promise<number> {
  const { settings, credentials } = source;
  const token = settings.auth === "oauth2" ? await tokenOf(source) : null;
  const [id = "", secret = ""] = [credentials["id"], credentials["secret"]];
  let records = 0;
  for (const name of collections) {
    for (let offset = 0, total = 1; offset < total;) {
      const url = collectionUrl(settings.baseUrl, name, settings.version);
      url.search = `limit=${settings.pageSize ?? 1000}&offset=${offset}`;
      const signed = token ?? authorization({ method: "GET", url }, { id, secret, method: "HMAC-SHA256" });
      const response = await fetch(url, { headers: { authorization: signed } });
      const received = lengthOf(JSON.parse(await response.text()), name);
      if (received === 0) break;
      total = Number(response.headers.get("x-total-count"));
      offset += received;
      records += received;
    }
  }
  return records;
}

function lengthOf(body: Readonly<Record<string, unknown>>, name: Collection): number {
  const items = body[name];
  return Array.isArray(items) ? items.length : 0;
}

async function tokenOf({ tokenUrl, credentials }: Source): Promise<string> {
  const basic = Buffer.from(`${credentials["id"] ?? ""}:${credentials["secret"] ?? ""}`).toString("base64");
  const response = await fetch(tokenUrl, {
    method: "POST",
    headers: { authorization: `Basic ${basic}`, "content-type": "application/x-www-form-urlencoded" },
    body: "grant_type=client_credentials",
  });
  const granted: { readonly access_token: string } = JSON.parse(await response.text());
  return `Bearer ${granted.access_token}`;
}

async function tell(
  lines: readonly Line[],
  about: { readonly students: number; readonly rounds: number },
): Promise<void> {
  const header = ["way", "records", "ours, records/s", "loop, records/s", "ratio", "ours, cpu s", "loop, cpu s"];
  const rows = lines.map(({ name, records, ours, loop }) => [
    name,
    records,
    records / ours.seconds,
    records / loop.seconds,
    ratio(loop.seconds, ours.seconds),
    ours.cpuSeconds,
    loop.cpuSeconds,
  ]);
  await report({
    name: "api",
    title: `Pulling a district of ${about.students} students, medians of ${about.rounds} rounds, ${machine()}`,
    table: markdown(header, rows),
    figures: lines,
  });
}

const [verb, options = "{}"] = process.argv.slice(2);
if (import.meta.main) await (verb === "serve" ? serve(JSON.parse(options)) : main());
