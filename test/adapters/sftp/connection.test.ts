// What the SFTP server allows a connection: so long, so many, so often; and what becomes of it in the end.

import { existsSync, readFileSync, rmSync, statSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import ssh2 from "ssh2";
import t from "tap";

import { freshServer, keyPair, password, signedIn } from "../../support/sftp.ts";

/** Resolves with the milliseconds until the server hangs up. */
async function hangsUp(emitter: NodeJS.EventEmitter): Promise<number> {
  const since = performance.now();
  await once(emitter, "close");
  return performance.now() - since;
}

async function opened(client: ssh2.Client): Promise<ssh2.SFTPWrapper> {
  return new Promise((resolve, reject) =>
    client.sftp((error, sftp) => (error === undefined ? resolve(sftp) : reject(error))),
  );
}

async function put(sftp: ssh2.SFTPWrapper, path: string, text: string): Promise<void> {
  return new Promise((resolve, reject) => sftp.writeFile(path, text, (error) => (error ? reject(error) : resolve())));
}

t.test("who says nothing, or does not sign in, is hung up on when the grace is over", async (t) => {
  const { server } = await freshServer(t, { limits: { graceMs: 300 } });
  const silent = connect(server.port, "127.0.0.1").resume();
  const speaking = connect(server.port, "127.0.0.1").resume();
  speaking.write("SSH-2.0-slow\r\n");
  for (const ms of await Promise.all([hangsUp(silent), hangsUp(speaking)])) t.ok(ms > 250, `after ${ms}`);
});

t.test("who asks nothing is hung up on when the time to be idle is over, and its logout is written down", async (t) => {
  const { server, accounts } = await freshServer(t, { limits: { idleMs: 600 } });
  const client = await signedIn(t, server.port);
  const sftp = await opened(client);
  const closed = hangsUp(client);
  for (let i = 0; i < 4; i++) {
    await sleep(300);
    await put(sftp, "/users.csv", "x");
  }
  t.ok((await closed) > 1500);
  while (accounts.events.at(-1)?.event !== "logout") await sleep(5);
  t.match(accounts.events.at(-1), { reason: "it was idle" });
});

t.test("a session ends when what it signed in with ends, or its address is allowed no more", async (t) => {
  const { server, accounts } = await freshServer(t, { limits: { recallMs: 100 } });
  const [oak] = accounts.known;
  if (oak === undefined) return t.fail();
  const first = await signedIn(t, server.port);
  await put(await opened(first), "/users.csv", "x");
  await sleep(250);
  await put(await opened(first), "/users.csv", "x");
  accounts.known[0] = { ...oak, addresses: ["198.51.100.0/24"] };
  t.ok((await hangsUp(first)) < 5000);
  accounts.known[0] = oak;
  const second = await signedIn(t, server.port);
  accounts.known.pop();
  t.ok((await hangsUp(second)) < 5000);
});

t.test("a session that never rests ends when its time is over", async (t) => {
  const { server } = await freshServer(t, { limits: { sessionMs: 500 } });
  const client = await signedIn(t, server.port);
  const sftp = await opened(client);
  client.on("error", () => {});
  const closed = hangsUp(client);
  const busy = setInterval(() => void put(sftp, "/users.csv", "x").catch(() => undefined), 50);
  t.teardown(() => clearInterval(busy));
  const ms = await closed;
  t.ok(ms > 200 && ms < 5000, `after ${ms}`);
});

t.test("connections of an address and of an account are limited, and so are channels", async (t) => {
  const limits = { connectionsPerAddress: 4, connectionsPerAccount: 2, channelsPerConnection: 2 };
  const { server, accounts } = await freshServer(t, { limits });
  const [first] = [await signedIn(t, server.port), await signedIn(t, server.port)];
  await t.rejects(signedIn(t, server.port), /hung up/u);
  t.match(accounts.events.at(-1), { event: "refused", reason: "too many connections" });
  for (let i = 0; i < 2; i++) await opened(first);
  await t.rejects(opened(first), /open failure/u);
  const silent = [1, 2].map(() => connect(server.port, "127.0.0.1").resume());
  await Promise.all(silent.map((socket) => once(socket, "data")));
  const third = connect(server.port, "127.0.0.1").resume();
  await hangsUp(third);
  for (const socket of silent) socket.destroy();
});

t.test(
  "guessing passwords gets slow and is then refused, even for the right one, but keys are still taken",
  async (t) => {
    const { privateKey, fingerprint } = keyPair();
    const limits = { failuresPerAddress: 5 };
    const { server, accounts } = await freshServer(t, { limits, account: { fingerprints: [fingerprint] } });
    const attempt = async (proof: { readonly password: string } | { readonly privateKey: string }): Promise<string> => {
      const client = new ssh2.Client();
      t.teardown(() => void client.destroy());
      const { promise, resolve } = Promise.withResolvers<string>();
      client.on("ready", () => resolve("in")).on("error", (error) => resolve(error.message));
      client.connect({ host: "127.0.0.1", port: server.port, username: "oak", ...proof });
      return promise;
    };
    const tookMs: number[] = [];
    for (let i = 0; i < 5; i++) {
      const since = performance.now();
      t.match(await attempt({ password: "guess" }), "authentication methods failed");
      tookMs.push(performance.now() - since);
    }
    t.ok((tookMs.at(-1) ?? 0) > 250, `the last took ${tookMs.at(-1)}`);
    t.match(await attempt({ password }), "authentication methods failed");
    t.equal(await attempt({ privateKey }), "in");
    const refusals = accounts.events.filter(({ event }) => event === "refused");
    t.equal(refusals.length, 5, "what comes after the last is not written down");
    t.match(refusals.at(-1)?.reason, "no more passwords are taken");
  },
);

t.test("guesses of strangers keep nobody out from where the account signed in from, nor any stranger in", async (t) => {
  const limits = { failuresPerAccount: 2 };
  const { server, accounts } = await freshServer(t, { limits });
  await signedIn(t, server.port);
  const from = async (localAddress: string, guess: string): Promise<string> => {
    const client = new ssh2.Client();
    t.teardown(() => void client.destroy());
    const { promise, resolve } = Promise.withResolvers<string>();
    client.on("ready", () => resolve("in")).on("error", () => resolve("refused"));
    client.connect({ host: "127.0.0.1", port: server.port, localAddress, username: "oak", password: guess });
    return promise;
  };
  for (let i = 0; i < 2; i++) t.equal(await from("127.0.0.2", "guess"), "refused");
  t.equal(await from("127.0.0.3", password), "refused");
  t.match(accounts.events.at(-1), { event: "refused", address: "127.0.0.3", reason: /too many wrong passwords/u });
  t.equal(await from("127.0.0.1", password), "in");
});

t.test("who only connects keeps out nobody who comes from elsewhere", async (t) => {
  const { server } = await freshServer(t, { limits: { connections: 1, connecting: 4, connectingPerAddress: 3 } });
  const silent = async (localAddress: string): Promise<Socket> => {
    const socket = connect({ port: server.port, host: "127.0.0.1", localAddress }).resume();
    t.teardown(() => void socket.destroy());
    await once(socket, "data");
    return socket;
  };
  const [first, second, third] = [await silent("127.0.0.1"), await silent("127.0.0.1"), await silent("127.0.0.1")];
  await hangsUp(connect(server.port, "127.0.0.1").resume());
  const other = await silent("127.0.0.2");
  const closed = hangsUp(first);
  const last = await silent("127.0.0.3");
  t.ok((await closed) < 5000, "the oldest of those with the most gave way");
  for (const socket of [second, third, other, last]) t.notOk(socket.destroyed);
  second.destroy();
  await signedIn(t, server.port);
  await hangsUp(connect({ port: server.port, host: "127.0.0.1", localAddress: "127.0.0.4" }).resume());
});

t.test("fifty sessions at once put a file each", async (t) => {
  const { privateKey, fingerprint } = keyPair();
  const { server, files, accounts } = await freshServer(t, { account: { fingerprints: [fingerprint] } });
  const clients = await Promise.all(Array.from({ length: 50 }, () => signedIn(t, server.port, { privateKey })));
  const text = (index: number): string => `${index}\n`.repeat(20_000);
  await Promise.all(clients.map(async (client, index) => put(await opened(client), `/${index}.csv`, text(index))));
  for (let i = 0; i < 50; i++) t.ok(readFileSync(join(files, `${i}.csv`), "utf8") === text(i));
  t.equal(accounts.events.filter(({ event }) => event === "upload").length, 50);
});

t.test("a file grows by what is written only, and is closed whatever becomes of its time", async (t) => {
  const { server, files, accounts } = await freshServer(t);
  const sftp = await opened(await signedIn(t, server.port));
  const file = join(files, "users.csv");
  await put(sftp, "/users.csv", "0123456789");
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  sftp.open("/users.csv", "r+", (error, handle) => (error === undefined ? resolve(handle) : reject(error)));
  const handle = await promise;
  const answered = (ask: (done: (error?: Error | null) => void) => void): Promise<string> =>
    new Promise((done) => ask((error) => done(error?.message ?? "ok")));
  const grows = /grows by what is written/u;
  t.match(await answered((done) => sftp.fsetstat(handle, { size: 16e9 }, done)), grows);
  t.match(await answered((done) => sftp.setstat("/users.csv", { size: 11 }, done)), grows);
  t.equal(await answered((done) => sftp.fsetstat(handle, { size: 4, atime: 1, mtime: 1 }, done)), "ok");
  t.equal(statSync(file).size, 4);
  rmSync(file);
  t.equal(await answered((done) => sftp.close(handle, done)), "ok");
  t.notOk(existsSync(file));
  t.equal(accounts.events.filter(({ event }) => event === "torn").length, 0);
});

t.test("when the server closes, clients are told, and what they were writing is torn", async (t) => {
  const { server, accounts } = await freshServer(t);
  const client = await signedIn(t, server.port);
  client.on("error", () => {});
  const sftp = await opened(client);
  await new Promise<void>((resolve, reject) =>
    sftp.open("/users.csv", "w", (error) => (error === undefined ? resolve() : reject(error))),
  );
  const closed = once(client, "close");
  await server.close();
  await closed;
  t.same(
    accounts.events.map(({ event }) => event),
    ["login", "torn", "logout"],
  );
  await t.rejects(signedIn(t, server.port), /ECONNREFUSED/u);
});
