// How fast a district's upload is: `sftp put` of one large file into our SFTP server, with its accounts, rows and audit,
// and into OpenSSH's sshd with its sftp-server, over loopback, in turns and in one run.
// It keeps true that both store the same bytes in the same folder and that both are compared with what was sent. Ours
// tells the client that a file is closed when it is durable, which OpenSSH does not promise: that time is ours too.
// Without sshd (apt-get install openssh-server) only ours is measured.
//
//   BENCH_SFTP_MB   megabytes of the file, 500 unless given
//   BENCH_ROUNDS    how often each is measured, 3 unless given
//   BENCH_FOLDER    where the temporary folder is made

import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { accessSync, closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";

import { startPostgres } from "../libs/adapters/postgres/embedded.ts";
import { addCredential } from "../libs/adapters/postgres/sftp-credentials.ts";
import { readPublicKey } from "../libs/adapters/sftp/public-key.ts";
import { openSystem } from "../libs/cli/system.ts";
import { createLogger } from "../libs/runtime/logger.ts";
import { freePorts, isFree } from "../libs/stack/free-ports.ts";
import { serveSftp } from "../services/ingest-sftp/sftp.ts";
import { countFromEnv, inFolder, machine, namesOf, optionsFromEnv, say } from "./ground.ts";
import { markdown, median, ratio, report } from "./table.ts";

const ciphers = ["aes128-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes128-ctr"] as const;
const sshdPath = "/usr/sbin/sshd";
const { district, source } = namesOf("bench");

type Server = {
  readonly name: "ours" | "OpenSSH";
  readonly port: number;
  readonly username: string;
  /** Where the file is put, as its client names it, and where it lies. */
  readonly target: string;
  readonly stored: string;
  readonly process: ChildProcess;
};
type Run = { readonly seconds: number; readonly cpuSeconds: number };
type Line = { readonly cipher: string; readonly ours: Run; readonly openSsh: Run | null };

async function main(): Promise<void> {
  const { parent, rounds } = optionsFromEnv();
  const megabytes = countFromEnv("BENCH_SFTP_MB", 500);
  await inFolder(parent, async (folder) => {
    writeFile(join(folder, "sent"), megabytes);
    await keyPair(join(folder, "key"));
    const database = await startPostgres({ dataDir: join(folder, "database") });
    const ours = await startOurs(folder, database.url);
    const openSsh = await startOpenSsh(folder);
    try {
      const lines: Line[] = [];
      for (const cipher of ciphers) lines.push(await measure({ folder, cipher, ours, openSsh, rounds }));
      await tell(lines, { megabytes, rounds, peakMb: peakMb(ours.process) });
    } finally {
      for (const server of [ours, openSsh]) await stop(server);
      await database.stop();
    }
  });
}

function writeFile(path: string, megabytes: number): void {
  const file = openSync(path, "w");
  const block = randomBytes(1_000_000);
  for (let i = 0; i < megabytes; i++) writeSync(file, block);
  closeSync(file);
}

async function keyPair(file: string): Promise<void> {
  const [code]: readonly unknown[] = await once(
    spawn("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", file]),
    "close",
  );
  if (code !== 0) throw new Error("ssh-keygen failed");
}

/** A process of its own, so that its memory and time are the server's alone. */
async function startOurs(folder: string, databaseUrl: string): Promise<Server> {
  const process = spawn(globalThis.process.execPath, [import.meta.filename, "serve", folder, databaseUrl], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const [said]: readonly unknown[] = await once(process.stdout, "data");
  const stored = join(folder, "data/drops/bench/bench/files/users.csv");
  return { name: "ours", port: Number(said), username: "bench.bench", target: "/users.csv", stored, process };
}

/** Until its standard input ends. */
async function serve(folder: string, databaseUrl: string): Promise<void> {
  const logger = createLogger({ name: "bench", level: "warn" });
  const dataDir = join(folder, "data");
  mkdirSync(dataDir);
  const system = await openSystem({ dataDir, databaseUrl }, logger);
  await system.sql("districts").insert({ id: district, name: "Bench", policy: "{}" });
  await system.sql("sources").insert({ district, id: source, kind: "sftp" });
  const read = readPublicKey(readFileSync(join(folder, "key.pub"), "utf8"));
  if (read.outcome === "fault") throw new Error(read.fault);
  const { text: secret, fingerprint } = read.key;
  await addCredential(system.sql, { district, source }, { kind: "key", label: "bench", fingerprint, secret });
  const served = await serveSftp(system, { address: { host: "127.0.0.1", port: 0, published: "" }, dataDir });
  console.log(served.port);
  await once(process.stdin.resume(), "end");
  await served.close();
  await system.close();
}

/** @returns null where there is no sshd, or it may not run. */
async function startOpenSsh(folder: string): Promise<Server | null> {
  try {
    accessSync(sshdPath);
    mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
  } catch {
    say("OpenSSH is left out: sshd is not here, or may not run: apt-get install openssh-server, as root");
    return null;
  }
  const [port = 0] = await freePorts(1);
  const config = [
    `Port ${port}`,
    "ListenAddress 127.0.0.1",
    `HostKey ${join(folder, "host")}`,
    `AuthorizedKeysFile ${join(folder, "key.pub")}`,
    "StrictModes no",
    "PermitRootLogin yes",
    "PidFile none",
    "Subsystem sftp /usr/lib/openssh/sftp-server",
  ];
  await keyPair(join(folder, "host"));
  writeFileSync(join(folder, "sshd_config"), `${config.join("\n")}\n`);
  const process = spawn(sshdPath, ["-D", "-e", "-f", join(folder, "sshd_config")], { stdio: "ignore" });
  while (await isFree(port)) await new Promise((resolve) => setTimeout(resolve, 50));
  const stored = join(folder, "stored-by-openssh");
  return { name: "OpenSSH", port, username: userInfo().username, target: stored, stored, process };
}

async function stop(server: Server | null): Promise<void> {
  if (server === null) return;
  const ended = once(server.process, "close");
  if (server.name === "ours") server.process.stdin?.end();
  else server.process.kill();
  await ended;
}

async function measure(about: {
  readonly folder: string;
  readonly cipher: string;
  readonly ours: Server;
  readonly openSsh: Server | null;
  readonly rounds: number;
}): Promise<Line> {
  const { folder, cipher, ours, openSsh, rounds } = about;
  const runs: { readonly ours: Run[]; readonly openSsh: Run[] } = { ours: [], openSsh: [] };
  for (let round = 0; round < rounds; round++) {
    const turn = round % 2 === 0 ? ([ours, openSsh] as const) : ([openSsh, ours] as const);
    for (const server of turn) {
      if (server === null) continue;
      const run = await put(folder, cipher, server);
      say(`${cipher} ${server.name}: ${run.seconds.toFixed(2)} s`);
      runs[server.name === "ours" ? "ours" : "openSsh"].push(run);
    }
  }
  const typical = (of: readonly Run[]): Run => median(of, ({ seconds }) => seconds);
  return { cipher, ours: typical(runs.ours), openSsh: openSsh === null ? null : typical(runs.openSsh) };
}

async function put(folder: string, cipher: string, server: Server): Promise<Run> {
  const sent = join(folder, "sent");
  const batch = join(folder, "batch");
  writeFileSync(batch, `put ${sent} ${server.target}\n`);
  const options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", `Ciphers=${cipher}`];
  const args = ["-F", "/dev/null", ...options.flatMap((option) => ["-o", option]), "-i", join(folder, "key")];
  const place = ["-P", String(server.port), "-b", batch, `${server.username}@127.0.0.1`];
  const [since, cpuSince] = [performance.now(), cpuSeconds(server.process)];
  const [code]: readonly unknown[] = await once(
    spawn("sftp", [...args, ...place], { stdio: ["ignore", "ignore", "inherit"] }),
    "close",
  );
  const seconds = (performance.now() - since) / 1000;
  if (code !== 0) throw new Error(`sftp into ${server.name} failed`);
  const run = { seconds, cpuSeconds: cpuSeconds(server.process) - cpuSince };
  const [differs]: readonly unknown[] = await once(spawn("cmp", [sent, server.stored]), "close");
  if (differs !== 0) throw new Error(`what ${server.name} stored differs from what was sent`);
  rmSync(server.stored);
  return run;
}

/** Of the process alone. */
function cpuSeconds({ pid }: ChildProcess): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const [user, system] = stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .slice(11, 13);
  return (Number(user) + Number(system)) / 100;
}

function peakMb({ pid }: ChildProcess): number {
  return Number(/^VmHWM:\s+(\d+)/mu.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024;
}

async function tell(
  lines: readonly Line[],
  about: { readonly megabytes: number; readonly rounds: number; readonly peakMb: number },
): Promise<void> {
  const { megabytes, rounds, peakMb: peak } = about;
  const rows = lines.map(({ cipher, ours, openSsh }) => [
    cipher,
    megabytes / ours.seconds,
    openSsh === null ? null : megabytes / openSsh.seconds,
    openSsh === null ? null : ratio(openSsh.seconds, ours.seconds),
    ours.cpuSeconds,
  ]);
  const title = `sftp put of ${megabytes} MB, medians of ${rounds}; our server's peak memory ${Math.round(peak)} MB; ${machine()}`;
  const header = ["cipher", "ours, MB/s", "OpenSSH, MB/s", "ours ÷ OpenSSH", "our cpu s"];
  await report({ name: "sftp", title, table: markdown(header, rows), figures: { lines, peakMb: peak } });
}

const [verb, folder = "", databaseUrl = ""] = process.argv.slice(2);
if (import.meta.main) await (verb === "serve" ? serve(folder, databaseUrl) : main());
