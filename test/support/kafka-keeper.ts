// Holds the shared test broker, and the registry once someone asks for it, for as long as a test file is connected; then
// stops them and removes their files. Run by test/support/kafka.ts as a process of its own; when it is killed, its
// servers end with it. It speaks lines: greets with `hello`, and answers `broker` or `registry` with where it listens.

import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import type { Server, Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

import { startBroker } from "../../libs/stack/broker.ts";
import { freePorts } from "../../libs/stack/free-ports.ts";
import type { RunningServer } from "../../libs/stack/process.ts";
import { confluentUrl, startRegistry } from "../../libs/stack/registry-server.ts";
import { connected, keeperFolder, keeperSocket, testProperties } from "./kafka.ts";
import type { KeptServer } from "./kafka.ts";

const checkMs = 500;
const idleMs = 8_000;
const dataPrefix = "data-";

const clients = new Set<Socket>();
const running: RunningServer[] = [];
const started = new Map<KeptServer, Promise<string>>();

const server = await listening();
if (server !== null) {
  removeLeftovers();
  const folder = mkdtempSync(join(keeperFolder(), `${dataPrefix}${process.pid}-`));
  server.on("connection", (socket) => serve(socket, folder));
  for (let idleSince = Date.now(); Date.now() - idleSince < idleMs; await sleep(checkMs))
    if (clients.size > 0) idleSince = Date.now();
  server.close();
  for (const client of clients) client.destroy();
  await Promise.allSettled(started.values());
  // Nothing of their data must last.
  await Promise.all(running.map((each) => each.kill()));
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}

/** The server of the keeper's socket; null when another keeper has it. */
async function listening(): Promise<Server | null> {
  const other = await connected();
  other?.destroy();
  if (other !== null) return null;
  // Whoever had it is gone. Two that come here at once each hold a socket of their own, of which one is found: the
  // other is idle and ends.
  rmSync(keeperSocket(), { force: true });
  const made = createServer();
  return new Promise((resolve) => {
    made.once("error", () => resolve(null));
    made.listen(keeperSocket(), () => resolve(made));
  });
}

function serve(socket: Socket, folder: string): void {
  clients.add(socket);
  socket.on("error", () => {});
  socket.on("close", () => clients.delete(socket));
  socket.write("hello\n");
  createInterface({ input: socket }).on("line", (line) => {
    if (line !== "broker" && line !== "registry") return;
    const address = started.get(line) ?? start(line, folder);
    started.set(line, address);
    address.then(
      (text) => socket.write(`${line}\tready\t${text}\n`),
      (error: unknown) => socket.write(`${line}\tfailed\t${String(error).replaceAll(/\s+/gu, " ")}\n`),
    );
  });
}

async function start(kind: KeptServer, folder: string): Promise<string> {
  const [port = 0, controllerPort = 0] = await freePorts(2);
  const own = { folder: join(folder, kind), port, isBound: true };
  const launched =
    kind === "registry"
      ? await startRegistry(own)
      : await startBroker({ ...own, controllerPort, properties: testProperties });
  running.push(launched);
  return kind === "registry" ? confluentUrl(launched.address) : launched.address;
}

/** Folders of keepers that were killed. */
function removeLeftovers(): void {
  for (const name of readdirSync(keeperFolder())) {
    if (!name.startsWith(dataPrefix) || isAlive(Number(name.slice(dataPrefix.length).split("-")[0]))) continue;
    rmSync(join(keeperFolder(), name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
