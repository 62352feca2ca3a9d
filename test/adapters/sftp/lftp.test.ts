// The SFTP server and lftp, which opens several connections at once and works with temporary names (A031).

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import t from "tap";

import { type Ended, finish } from "../../support/child.ts";
import { freshServer, openSsh, skipWithout, type TestServer } from "../../support/sftp.ts";

const skip = skipWithout("lftp");

async function lftp({ server, folder }: TestServer, lines: readonly string[]): Promise<Ended> {
  const { args, env } = openSsh({ port: server.port, folder });
  const ssh = `ssh -a -x ${args.map((arg) => (arg === "-P" ? "-p" : arg)).join(" ")}`;
  const script = [
    `set sftp:connect-program "${ssh}"`,
    "set net:max-retries 1",
    "set cmd:fail-exit yes",
    // lftp answers a prompt of ssh by itself; there is none, because ssh asks the script of SSH_ASKPASS.
    `open -u oak,unused -p ${server.port} sftp://127.0.0.1`,
    ...lines,
  ].join("\n");
  const file = join(folder, "lftp-script");
  writeFileSync(file, `${script}\n`);
  return finish(["lftp", "-f", file], { env: { ...env, HOME: folder } });
}

t.test("lftp puts many files over parallel channels, mirrors a folder and resumes", { skip }, async (t) => {
  const here = await freshServer(t);
  const { files, folder } = here;
  mkdirSync(join(folder, "set"));
  const names = Array.from({ length: 12 }, (_, index) => `file-${index}.csv`);
  for (const name of names) writeFileSync(join(folder, "set", name), `${name}\n`.repeat(20_000));
  const put = await lftp(here, [
    `mput -P 4 ${folder}/set/*.csv`,
    `mirror -R --parallel=3 ${folder}/set copy`,
    "ls",
    "mkdir made",
    "mv file-0.csv made/moved.csv",
    "rm file-1.csv",
  ]);
  t.equal(put.code, 0, put.stderr);
  t.match(put.stdout, "file-11.csv");
  t.same(readdirSync(join(files, "copy")).toSorted(), names.toSorted());
  for (const name of names.slice(2))
    t.ok(readFileSync(join(files, name)).equals(readFileSync(join(folder, "set", name))));
  t.same(readdirSync(join(files, "made")), ["moved.csv"]);
  const whole = readFileSync(join(folder, "set/file-2.csv"));
  writeFileSync(join(files, "file-2.csv"), whole.subarray(0, 1000));
  const resumed = await lftp(here, [`put -c ${folder}/set/file-2.csv`]);
  t.equal(resumed.code, 0, resumed.stderr);
  t.ok(readFileSync(join(files, "file-2.csv")).equals(whole));
});

t.test("lftp uploads under a temporary name, also where a file of the name is already", { skip }, async (t) => {
  const here = await freshServer(t);
  const { accounts, files, folder } = here;
  for (const text of ["first\n", "second and longer\n", "third\n"]) {
    writeFileSync(join(folder, "users.csv"), text);
    const put = await lftp(here, [
      "set xfer:use-temp-file yes",
      'set xfer:temp-file-name "*.part"',
      `put ${folder}/users.csv`,
    ]);
    t.equal(put.code, 0, put.stderr);
    t.equal(readFileSync(join(files, "users.csv"), "utf8"), text);
  }
  t.same(readdirSync(files).toSorted(), ["reports", "users.csv"]);
  t.ok(accounts.events.some(({ event, path }) => event === "upload" && path === "/users.csv.part"));
});
