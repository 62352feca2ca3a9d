// Hostile bytes, to the packets of SFTP and to SSH itself: the server goes on serving others, and keeps nothing open.
// 100 inputs, or 1,000 with TORTURE=1; `SEED=7` repeats one of them.

import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

import type ssh2 from "ssh2";
import t from "tap";

import { Random } from "../support/seeded.ts";
import { freshServer, signedIn, subsystem } from "../support/sftp.ts";

const one = Number(process.env["SEED"] ?? 0);
const runs = process.env["TORTURE"] === "1" ? 1000 : 100;
const seeds = one > 0 ? [one] : Array.from({ length: runs }, (_, index) => index + 1);

const types = [1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 200, 0, 2, 101, 255];
const numbers = [0, 1, 2, 3, 4, 255, 65_536, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1];
const texts = [
  "/",
  "",
  "..",
  "/../../../etc/passwd",
  "/users.csv",
  "/reports/x",
  "a\u0000b",
  "\ud800",
  "x/".repeat(600),
  "n".repeat(300),
  "posix-rename@openssh.com",
  "limits@openssh.com",
  "0000000000000000",
];

function number(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function randomBytes(random: Random, most: number): Buffer {
  return Buffer.from(Array.from({ length: random.below(most) }, () => random.below(256)));
}

/** A field as some request has it, or with a length that is a lie. */
function field(random: Random): Buffer {
  const bytes = random.chance(0.8) ? Buffer.from(random.pick(texts)) : randomBytes(random, 64);
  switch (random.below(4)) {
    case 0:
      return number(random.pick(numbers));
    case 1:
      return Buffer.concat([number(random.pick(numbers)), bytes]);
    default:
      return Buffer.concat([number(bytes.length), bytes]);
  }
}

function packet(random: Random): Buffer {
  const fields = Array.from({ length: random.below(6) }, () => field(random));
  const body = Buffer.concat([Buffer.of(random.pick(types)), number(random.below(1000)), ...fields]);
  const cut = random.chance(0.2) ? body.subarray(0, random.below(body.length)) : body;
  const length = random.chance(0.1) ? random.pick(numbers) : cut.length;
  return Buffer.concat([number(length), cut]);
}

const greeting = Buffer.concat([number(5), Buffer.of(1), number(3)]);

function hostile(random: Random): Buffer {
  if (random.chance(0.1)) return randomBytes(random, 400);
  const packets = Array.from({ length: 1 + random.below(20) }, () => packet(random));
  return Buffer.concat(random.chance(0.9) ? [greeting, ...packets] : packets);
}

/** Sends in pieces, and waits until the server has said its last word or hung up. */
async function send(channel: ssh2.ClientChannel, bytes: Buffer, random: Random): Promise<void> {
  const closed = once(channel, "close");
  channel.on("error", () => {});
  channel.resume();
  for (let at = 0; at < bytes.length;) {
    const next = at + 1 + random.below(bytes.length);
    channel.write(bytes.subarray(at, next));
    at = next;
  }
  channel.end();
  await Promise.race([closed, sleep(5000)]);
}

async function listed(client: ssh2.Client): Promise<readonly string[]> {
  return new Promise((resolve, reject) =>
    client.sftp((failed, sftp) => {
      if (failed !== undefined) return reject(failed);
      sftp.readdir("/", (error, list) =>
        error === undefined ? resolve(list.map(({ filename }) => filename)) : reject(error),
      );
    }),
  );
}

t.test("hostile packets end their own channel at most", async (t) => {
  const { server, accounts } = await freshServer(t, { limits: { channelsPerConnection: 1000 } });
  const bystander = await signedIn(t, server.port);
  const client = await signedIn(t, server.port);
  for (const seed of seeds) {
    const random = new Random(seed, 1);
    try {
      await send(await subsystem(client), hostile(random), random);
    } catch (error) {
      t.fail(`SEED=${seed}: ${String(error)}`);
      return;
    }
  }
  t.ok((await listed(bystander)).includes("reports"));
  t.ok((await listed(client)).includes("reports"), "the connection that sent it all is served too");
  await server.close();
  t.equal(accounts.events.filter(({ event }) => event === "logout").length, 2);
  t.comment(`${seeds.length} inputs, seeds ${seeds[0]} to ${seeds.at(-1)}`);
});

t.test("hostile bytes before and in the handshake end their own connection at most", async (t) => {
  const { server } = await freshServer(t, { limits: { graceMs: 2000 } });
  const bystander = await signedIn(t, server.port);
  for (const seed of seeds.slice(0, Math.max(1, runs / 2))) {
    const random = new Random(seed, 1);
    const socket = connect(server.port, "127.0.0.1").resume();
    socket.on("error", () => {});
    const closed = once(socket, "close");
    if (random.chance(0.7)) socket.write("SSH-2.0-hostile\r\n");
    socket.end(random.chance(0.5) ? packet(random) : randomBytes(random, 3000));
    await closed;
  }
  t.ok((await listed(bystander)).includes("reports"));
});

t.test("a client that asks for much and reads nothing is not answered from memory", async (t) => {
  const { server } = await freshServer(t);
  const client = await signedIn(t, server.port);
  const sftp = await new Promise<ssh2.SFTPWrapper>((resolve, reject) =>
    client.sftp((error, opened) => (error === undefined ? resolve(opened) : reject(error))),
  );
  await new Promise<void>((resolve, reject) =>
    sftp.writeFile("/big", Buffer.alloc(4_000_000), (error) => (error ? reject(error) : resolve())),
  );
  const channel = await subsystem(client);
  channel.pause();
  channel.write(greeting);
  const open = Buffer.concat([Buffer.of(3), number(1), number(4), Buffer.from("/big"), number(1), number(0)]);
  channel.write(Buffer.concat([number(open.length), open]));
  const [, handle] = await answers(channel, 2);
  if (handle === undefined) return t.fail();
  const name = handle.subarray(9);
  const read = Buffer.concat([Buffer.of(5), number(2), name, number(0), number(0), number(260_000)]);
  const before = process.memoryUsage().rss;
  for (let i = 0; i < 2000; i++) channel.write(Buffer.concat([number(read.length), read]));
  await sleep(1500);
  const grown = (process.memoryUsage().rss - before) / 1e6;
  t.ok(grown < 150, `520 MB were asked for; both ends in one process grew by ${Math.round(grown)} MB`);
});

/** The first packets that come, with their lengths; then the channel is not read any more. */
async function answers(channel: ssh2.ClientChannel, count: number): Promise<readonly Buffer[]> {
  let bytes = Buffer.alloc(0);
  for (;;) {
    const found: Buffer[] = [];
    for (let at = 0; at + 4 <= bytes.length;) {
      const end = at + 4 + bytes.readUInt32BE(at);
      if (end <= bytes.length) found.push(bytes.subarray(at, end));
      at = end;
    }
    if (found.length >= count) return found;
    await once(channel, "readable");
    const piece: unknown = channel.read();
    if (piece instanceof Buffer) bytes = Buffer.concat([bytes, piece]);
  }
}
