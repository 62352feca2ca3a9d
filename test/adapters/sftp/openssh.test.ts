// The SFTP server and OpenSSH's own clients, as a district's administrator uses them (A031, A033, A034).

import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import t from "tap";

import { finish } from "../../support/child.ts";
import { freshServer, newKey, openSsh, sftp, skipWithout, startSftp } from "../../support/sftp.ts";

const skip = skipWithout("sftp");

t.test("a session opens in the root; files are put, listed, renamed, read back and removed", { skip }, async (t) => {
  const { server, files, folder } = await freshServer(t);
  const client = { port: server.port, folder };
  writeFileSync(join(folder, "users.csv"), "sourcedId\n1\n");
  mkdirSync(join(folder, "set/inner"), { recursive: true });
  writeFileSync(join(folder, "set/orgs.csv"), "sourcedId\n");
  writeFileSync(join(folder, "set/inner/more.csv"), "x".repeat(600_000));
  const { code, stdout, stderr } = await sftp(client, [
    "pwd",
    `put ${folder}/users.csv`,
    `put -r ${folder}/set`,
    "mkdir made",
    "rename users.csv made/renamed.csv",
    "ls -l made",
    "chmod 600 made/renamed.csv",
    `get set/inner/more.csv ${folder}/back.csv`,
    "rm set/inner/more.csv",
    "rmdir set/inner",
    `put -p ${folder}/set/orgs.csv users.csv`,
  ]);
  t.equal(code, 0, stderr);
  t.match(stdout, "Remote working directory: /");
  t.match(stdout, /^-rw-r--r-- +1 rollcall rollcall +12 \w{3} [ \d]\d \d\d:\d\d renamed\.csv$/mu);
  t.equal(readFileSync(join(folder, "back.csv"), "utf8"), "x".repeat(600_000));
  t.same(readdirSync(files).toSorted(), ["made", "reports", "set", "users.csv"]);
  t.same(readdirSync(join(files, "set")), ["orgs.csv"]);
  const times = [join(files, "users.csv"), join(folder, "set/orgs.csv")].map((file) =>
    Math.floor(statSync(file).mtimeMs / 1000),
  );
  t.equal(times[0], times[1], "put -p keeps the time of change");
});

t.test("a file is overwritten whole, and a file with a temporary name may take its place", { skip }, async (t) => {
  const { server, files, folder } = await freshServer(t);
  for (const [name, text] of [
    ["long", "much longer than the other"],
    ["short", "short"],
  ] as const)
    writeFileSync(join(folder, name), text);
  const { code, stderr } = await sftp({ port: server.port, folder }, [
    `put ${folder}/long users.csv`,
    `put ${folder}/short users.csv`,
    `put ${folder}/long orgs.csv`,
    `put ${folder}/short orgs.csv.tmp`,
    "rename orgs.csv.tmp orgs.csv",
  ]);
  t.equal(code, 0, stderr);
  t.equal(readFileSync(join(files, "users.csv"), "utf8"), "short");
  t.equal(readFileSync(join(files, "orgs.csv"), "utf8"), "short");
  t.notOk(existsSync(join(files, "orgs.csv.tmp")));
});

t.test("an upload whose client is killed is torn; resumed, it is whole and closed", { skip }, async (t) => {
  const { server, accounts, files, folder } = await freshServer(t);
  const whole = Buffer.alloc(6_000_000, "0123456789abcde\n");
  writeFileSync(join(folder, "users.csv"), whole);
  // At 8 Mbit a second it takes six seconds: it is killed long before.
  const client = startSftp({ port: server.port, folder, args: ["-l", "8000"] }, [`put ${folder}/users.csv`]);
  const upload = join(files, "users.csv");
  while (!existsSync(upload) || statSync(upload).size === 0) await sleep(1);
  client.kill("SIGKILL");
  await client.ended;
  const isTold = (event: string) => accounts.events.some((one) => one.event === event && one.path === "/users.csv");
  while (!isTold("torn")) await sleep(5);
  t.notOk(isTold("upload"));
  t.ok(statSync(upload).size < whole.length);
  const { code, stderr } = await sftp({ port: server.port, folder }, [`reput ${folder}/users.csv`]);
  t.equal(code, 0, stderr);
  t.ok(readFileSync(upload).equals(whole));
  t.ok(isTold("upload"));
});

t.test("the reports can be read and nothing else can be done to them", { skip }, async (t) => {
  const { server, files, folder } = await freshServer(t);
  mkdirSync(join(files, "reports"), { recursive: true });
  writeFileSync(join(files, "reports/a.txt"), "accepted");
  const { code } = await sftp({ port: server.port, folder }, [`get -r reports ${folder}/reports`]);
  t.equal(code, 0);
  t.equal(readFileSync(join(folder, "reports/a.txt"), "utf8"), "accepted");
  for (const line of [
    "rm reports/a.txt",
    "rmdir reports",
    "rename reports/a.txt b.txt",
    `put ${folder}/reports/a.txt reports/b`,
  ]) {
    const { stderr, ...ended } = await sftp({ port: server.port, folder }, [line]);
    t.equal(ended.code, 1, line);
    t.match(stderr, /permission denied/iu, line);
  }
});

t.test(
  "two keys and two passwords hold at once; another key or password is refused and written down",
  { skip },
  async (t) => {
    const { server, accounts, folder } = await freshServer(t);
    const keys = [
      await newKey(folder, ["ed25519"]),
      await newKey(folder, ["rsa", "-b", "2048"]),
      await newKey(folder, ["ecdsa"]),
    ];
    const [old, next, other] = keys;
    const [account] = accounts.known;
    if (old === undefined || next === undefined || other === undefined || account === undefined) return t.fail();
    accounts.known[0] = { ...account, fingerprints: [old.fingerprint, next.fingerprint] };
    const client = { port: server.port, folder };
    for (const { file: key } of [old, next]) t.equal((await sftp({ ...client, key }, ["pwd"])).code, 0);
    const byOther = await sftp({ ...client, key: other.file }, ["pwd"]);
    t.match(byOther.stderr, "Permission denied (publickey,password)");
    const wrong = await sftp({ ...client, password: "wrong" }, ["pwd"]);
    t.match(wrong.stderr, "Permission denied");
    const nobody = await sftp({ ...client, username: "nobody" }, ["pwd"]);
    t.match(nobody.stderr, "Permission denied");
    const logins = accounts.events.filter(({ event }) => event === "login").map(({ reason }) => reason);
    t.same(logins, [`key ${old.fingerprint}`, `key ${next.fingerprint}`]);
    const refusals = accounts.events.filter(({ event }) => event === "refused");
    t.same(
      refusals.map(({ reason }) => reason),
      ["wrong password", "unknown name"],
    );
    t.notMatch(JSON.stringify(refusals), /nobody|wrong"/u, "neither the name nor the password that was tried");
  },
);

t.test("from an address that is not allowed the right password is refused, and told (A030)", { skip }, async (t) => {
  const { server, accounts, folder } = await freshServer(t, { account: { addresses: ["198.51.100.0/24"] } });
  const { code, stderr } = await sftp({ port: server.port, folder }, ["pwd"]);
  t.equal(code, 255);
  t.match(stderr, "Permission denied");
  t.match(accounts.events, [{ event: "refused", account: { district: "oak" }, reason: "address not allowed" }]);
  const [account] = accounts.known;
  if (account !== undefined) accounts.known[0] = { ...account, addresses: ["127.0.0.0/8"] };
  t.equal((await sftp({ port: server.port, folder }, ["pwd"])).code, 0);
});

t.test(
  "scp copies over SFTP; the old protocol, commands and shells are told what to use instead",
  { skip },
  async (t) => {
    const { server, files, folder } = await freshServer(t);
    writeFileSync(join(folder, "users.csv"), "sourcedId\n");
    const { args, env } = openSsh({ port: server.port, folder });
    for (const target of ["oak@127.0.0.1:", "oak@127.0.0.1:/b.csv", "oak@127.0.0.1:~/c.csv"])
      t.equal((await finish(["scp", ...args, join(folder, "users.csv"), target], { env })).code, 0, target);
    t.same(readdirSync(files).toSorted(), ["b.csv", "c.csv", "reports", "users.csv"]);
    const old = await finish(["scp", "-O", ...args, join(folder, "users.csv"), "oak@127.0.0.1:"], { env });
    t.not(old.code, 0);
    t.match(old.stderr, "does not speak the old protocol of scp");
    const ssh = args.map((arg) => (arg === "-P" ? "-p" : arg));
    const command = await finish(["ssh", ...ssh, "oak@127.0.0.1", "id"], { env });
    t.equal(command.code, 1);
    t.match(command.stderr, "offers SFTP and nothing else");
    t.not((await finish(["ssh", ...ssh, "oak@127.0.0.1"], { env })).code, 0);
    const forwarded = await finish(["ssh", ...ssh, "-W", `127.0.0.1:${server.port}`, "oak@127.0.0.1"], { env });
    t.match(forwarded.stderr, "forwarding failed");
  },
);

t.test(
  "no path, link or listing leads out of the root, and there is nothing to ask of the disk",
  { skip },
  async (t) => {
    const { server, files, folder } = await freshServer(t);
    writeFileSync(join(folder, "outside.csv"), "not theirs");
    for (const path of [
      "../../outside.csv",
      "/../../outside.csv",
      join(folder, "outside.csv"),
      "reports/../../../outside.csv",
    ]) {
      const { code, stderr } = await sftp({ port: server.port, folder }, [`get ${path} ${folder}/got`]);
      t.equal(code, 1, path);
      t.match(stderr, "not found", path);
    }
    const up = await sftp({ port: server.port, folder }, [
      "cd ../../..",
      "pwd",
      `put ${folder}/outside.csv ../../up.csv`,
    ]);
    t.match(up.stdout, "Remote working directory: /\n");
    t.ok(existsSync(join(files, "up.csv")), "what is above the root is the root");
    for (const line of ["ln -s /etc/passwd link", "ln up.csv hard", "df"]) {
      const refused = await sftp({ port: server.port, folder }, [line]);
      t.equal(refused.code, 1, line);
    }
  },
);

t.test(
  "every cipher that is offered carries a file whole, also over new keys; what is weak is not offered",
  { skip },
  async (t) => {
    const { server, files, folder } = await freshServer(t);
    const whole = Buffer.alloc(5_000_000, "0123456789abcde\n");
    writeFileSync(join(folder, "users.csv"), whole);
    const put = (args: readonly string[]): ReturnType<typeof sftp> =>
      sftp({ port: server.port, folder, args: args.flatMap((arg) => ["-o", arg]) }, [`put ${folder}/users.csv`]);
    const offered = [
      ["Ciphers=aes128-gcm@openssh.com", "HostKeyAlgorithms=ssh-ed25519"],
      ["Ciphers=aes256-gcm@openssh.com", "HostKeyAlgorithms=ecdsa-sha2-nistp256"],
      ["Ciphers=chacha20-poly1305@openssh.com", "HostKeyAlgorithms=rsa-sha2-512"],
      ["Ciphers=aes128-ctr", "MACs=hmac-sha2-256-etm@openssh.com", "KexAlgorithms=ecdh-sha2-nistp256"],
      ["Ciphers=aes256-ctr", "MACs=hmac-sha2-512"],
    ];
    for (const args of offered) {
      const { code, stderr } = await put([...args, "RekeyLimit=1M"]);
      t.equal(code, 0, `${args.join(" ")} ${stderr}`);
      t.ok(readFileSync(join(files, "users.csv")).equals(whole));
    }
    const weak = [
      ["Ciphers=aes128-cbc"],
      // Of a cipher with a tag of its own the MAC is not asked for.
      ["MACs=hmac-sha1", "Ciphers=aes128-ctr"],
      ["KexAlgorithms=diffie-hellman-group14-sha1"],
      ["HostKeyAlgorithms=ssh-rsa"],
    ];
    for (const args of weak) {
      const { code, stderr } = await put(["LogLevel=INFO", ...args]);
      t.equal(code, 255, args.join(" "));
      t.match(stderr, "no matching", args.join(" "));
    }
  },
);
