// What the SFTP server is made of: paths, packets in pieces, passwords, keys, and the memory of who failed.

import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import ssh2 from "ssh2";
import t from "tap";

import { openHostKeys } from "../../../libs/adapters/sftp/host-keys.ts";
import { Packets } from "../../../libs/adapters/sftp/packets.ts";
import { hashPassword, isPassword, newPassword } from "../../../libs/adapters/sftp/password.ts";
import { peerOf, plainAddress } from "../../../libs/adapters/sftp/peers.ts";
import { normalPath } from "../../../libs/adapters/sftp/paths.ts";
import { readPublicKey } from "../../../libs/adapters/sftp/public-key.ts";
import { Throttle } from "../../../libs/adapters/sftp/throttle.ts";
import { finish } from "../../support/child.ts";
import { forSeeds } from "../../support/seeded.ts";
import { skipWithout } from "../../support/sftp.ts";

t.test("paths are absolute and normal, and what has no place in a folder is refused", (t) => {
  const paths = [
    ["", "/"],
    [".", "/"],
    ["/", "/"],
    ["users.csv", "/users.csv"],
    ["//a///b/", "/a/b"],
    ["/a/./b/../c", "/a/c"],
    ["../../..", "/"],
    ["/../etc/passwd", "/etc/passwd"],
    ["/a/../../../b", "/b"],
    ["Schüler.csv", "/Schüler.csv"],
    ["/...", "/..."],
    ["n".repeat(255), `/${"n".repeat(255)}`],
  ] as const;
  for (const [given, path] of paths)
    t.same(normalPath(Buffer.from(given)), { outcome: "path", path }, given.slice(0, 20));
  const faults = [
    [Buffer.from("a\0b"), "the name has control characters"],
    [Buffer.from("a\nb"), "the name has control characters"],
    [Buffer.from([0xff, 0xfe]), "the name is not UTF-8"],
    [Buffer.from("n".repeat(256)), "the name is too long"],
    [Buffer.from("ü".repeat(128)), "the name is too long"],
    [Buffer.from("a/".repeat(600)), "the path is too long"],
  ] as const;
  for (const [given, fault] of faults) t.same(normalPath(given), { outcome: "fault", fault });
  t.end();
});

t.test("packets come out whole, however they are cut", (t) => {
  forSeeds(t, { runs: 30, size: 30 }, (random) => {
    const sizes = Array.from({ length: 1 + random.below(random.size) }, () =>
      random.chance(0.1) ? 1 + random.below(260_000) : 1 + random.below(200),
    );
    const sent = sizes.map((size, index) => Buffer.alloc(size, index));
    const all = Buffer.concat(sent.flatMap((body) => [lengthOf(body.length), body]));
    const packets = new Packets();
    const got: Buffer[] = [];
    for (let at = 0; at < all.length;) {
      const next = at + 1 + random.below(random.chance(0.5) ? 10 : 70_000);
      packets.push(all.subarray(at, next));
      at = next;
      for (let packet = packets.next(); packet !== null; packet = packets.next()) {
        if (packet === "malformed") throw new Error("malformed");
        got.push(Buffer.from(packet));
      }
    }
    if (got.length !== sent.length || got.some((body, index) => !body.equals(sent[index] ?? lengthOf(0))))
      throw new Error(`${got.length} of ${sent.length}`);
  });
  for (const length of [0, 262_145, 2 ** 32 - 1]) {
    const packets = new Packets();
    packets.push(lengthOf(length));
    t.equal(packets.next(), "malformed", String(length));
  }
  t.end();
});

t.test("an address of IPv4 counts for itself, and one of IPv6 for its network", (t) => {
  const peers = [
    ["198.51.100.7", "198.51.100.7"],
    ["::ffff:198.51.100.7", "198.51.100.7"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:0DB8:1:2::9", "2001:db8:1:2::/64"],
    ["2001:db8::1", "2001:db8:0:0::/64"],
    ["2001:db8:1:2:3::", "2001:db8:1:2::/64"],
    ["fe80::1%eth0", "fe80:0:0:0::/64"],
    ["64:ff9b::198.51.100.7", "64:ff9b:0:0::/64"],
    ["::1", "0:0:0:0::/64"],
  ] as const;
  for (const [address, peer] of peers) t.equal(peerOf(address), peer, address);
  t.equal(plainAddress("fe80::1%eth0"), "fe80::1");
  t.end();
});

function lengthOf(length: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(length);
  return bytes;
}

t.test("a password is known by its hash, which says its costs and differs each time", async (t) => {
  const password = newPassword();
  t.match(password, /^[a-zA-Z2-9]{24}$/u);
  const [hash, again] = [await hashPassword(password), await hashPassword(password)];
  t.match(hash, /^scrypt\$15\$8\$1\$/u);
  t.not(hash, again);
  t.ok(await isPassword(password, hash));
  t.notOk(await isPassword(`${password} `, hash));
  t.notOk(await isPassword("", hash));
  t.notOk(await isPassword(password, null));
  t.ok(await isPassword("é", await hashPassword("e\u0301")), "however it is composed");
});

t.test("a name without a password costs as much as one with a wrong password", async (t) => {
  const hash = await hashPassword("right");
  const took = async (kept: string | null): Promise<number> => {
    const since = process.cpuUsage();
    for (let i = 0; i < 4; i++) await isPassword("wrong", kept);
    const { user, system } = process.cpuUsage(since);
    return user + system;
  };
  const [withHash, without] = [await took(hash), await took(null)];
  t.ok(without > withHash / 2 && without < withHash * 2, `${without} and ${withHash}`);
});

t.test("public keys: what OpenSSH prints of them, and which are refused", { skip: skipWithout("sftp") }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "rollcall-keys-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const made = async (...type: readonly string[]): Promise<string> => {
    const file = join(folder, type.join("-"));
    await finish(["ssh-keygen", "-q", "-t", ...type, "-N", "", "-C", "a comment", "-f", file]);
    return file;
  };
  const read = async (file: string): Promise<ReturnType<typeof readPublicKey>> =>
    readPublicKey((await finish(["cat", file])).stdout);
  for (const type of [["ed25519"], ["ecdsa", "-b", "384"], ["rsa", "-b", "2048"]]) {
    const file = await made(...type);
    const { stdout } = await finish(["ssh-keygen", "-l", "-f", `${file}.pub`]);
    const key = await read(`${file}.pub`);
    t.match(key, { outcome: "key", key: { fingerprint: stdout.split(" ")[1], comment: "a comment" } });
  }
  t.match(await read(`${await made("rsa", "-b", "1024")}.pub`), {
    fault: "an RSA key needs at least 2048 bits and this has 1024",
  });
  t.match(await read(join(folder, "ed25519")), { fault: /private key: keep that one/u });
  t.match(readPublicKey("ssh-ed25519 nonsense"), { outcome: "fault" });
  t.match(readPublicKey(""), { outcome: "fault" });
});

t.test("host keys are made once, for the owner alone, also by several processes at once", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "rollcall-keys-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = join(import.meta.dirname, "../../../libs/adapters/sftp/host-keys.ts");
  const program = `const { openHostKeys } = await import(${JSON.stringify(file)});
    console.log(JSON.stringify((await openHostKeys(${JSON.stringify(folder)})).fingerprints));`;
  const others = await Promise.all([1, 2].map(() => finish([process.execPath, "--input-type=module", "-e", program])));
  const { keys, fingerprints } = await openHostKeys(folder);
  for (const { stdout, stderr } of others) t.same(JSON.parse(stdout || "null"), fingerprints, stderr);
  t.same(
    fingerprints.map(({ type }) => type),
    ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"],
  );
  t.equal(keys.filter((key) => ssh2.utils.parseKey(key) instanceof Error).length, 0);
  const names = readdirSync(join(folder, "sftp"));
  t.equal(names.length, 3, "nothing half made is left");
  for (const name of names) t.equal(statSync(join(folder, "sftp", name)).mode & 0o777, 0o600);
});

t.test("failures are forgotten after their window, and of strangers no more than so many are remembered", (t) => {
  let now = 0;
  const limits = { windowMs: 1000, freeFailures: 1, mostFailures: 4, mostNames: 3 };
  const throttle = new Throttle(limits, () => now);
  const delays = Array.from({ length: 5 }, () => {
    const delay = throttle.delayMs("a");
    throttle.failed("a");
    return delay;
  });
  t.same(delays, [0, 0, 250, 500, null]);
  now = 999;
  t.equal(throttle.delayMs("a"), null);
  now = 1000;
  t.equal(throttle.delayMs("a"), 0);
  for (const name of ["a", "b", "c", "d"]) for (let i = 0; i < 2; i++) throttle.failed(name);
  t.same(
    ["a", "b", "c", "d"].map((name) => throttle.delayMs(name)),
    [0, 250, 250, 250],
  );
  throttle.succeeded("b");
  t.equal(throttle.delayMs("b"), 0);
  t.end();
});
