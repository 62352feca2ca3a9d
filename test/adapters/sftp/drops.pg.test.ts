// The SFTP server over the accounts and folders that it really serves: what OpenSSH's client puts is whole or torn in
// the rows by which sets are judged, and every step is in the audit (A028, A033, A036).

import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import t from "tap";

import { Drops } from "../../../libs/adapters/drops/drops.ts";
import { addCredential } from "../../../libs/adapters/postgres/sftp-credentials.ts";
import { PostgresAccounts } from "../../../libs/adapters/sftp/accounts.ts";
import { hashPassword } from "../../../libs/adapters/sftp/password.ts";
import { password, serverOver, sftp, skipWithout, startSftp } from "../../support/sftp.ts";
import { addDistrict, freshSystem } from "../../support/system.ts";

t.test("a district puts, resumes, renames and reads its reports", { skip: skipWithout("sftp") }, async (t) => {
  const system = await freshSystem(t);
  const { sql, folder } = system;
  const district = await addDistrict(system, "oak");
  await sql("sources").insert({ district, id: "sftp", kind: "sftp" });
  const drops = await Drops.open({ sql, root: join(folder, "drops") });
  t.teardown(() => drops.close());
  const accounts = new PostgresAccounts({ sql, files: (account, address) => drops.files(account, address) });
  const account = await accounts.find("oak");
  if (account === null) return t.fail();
  const secret = await hashPassword(password);
  await addCredential(sql, account, { kind: "password", label: "first", fingerprint: null, secret });
  const { port } = await serverOver(t, accounts);
  const client = { port, folder };
  const own = join(folder, "drops/oak/sftp");
  const whole = Buffer.alloc(3_000_000, "0123456789abcde\n");
  writeFileSync(join(folder, "users.csv"), whole);

  const killed = startSftp({ ...client, args: ["-l", "8000"] }, [`put ${folder}/users.csv`]);
  const upload = join(own, "files/users.csv");
  while (!existsSync(upload) || statSync(upload).size === 0) await sleep(5);
  t.same(await states(), { "/users.csv": "open" });
  killed.kill("SIGKILL");
  await killed.ended;
  while ((await states())["/users.csv"] === "open") await sleep(10);
  t.same(await states(), { "/users.csv": "torn" });

  mkdirSync(join(own, "reports"), { recursive: true });
  writeFileSync(join(own, "reports/a.txt"), "accepted");
  const { code, stderr } = await sftp(client, [
    `reput ${folder}/users.csv`,
    `put ${folder}/users.csv orgs.csv.part`,
    "rename orgs.csv.part orgs.csv",
    `put ${folder}/users.csv unwanted.csv`,
    "rm unwanted.csv",
    `get reports/a.txt ${folder}/a.txt`,
  ]);
  t.equal(code, 0, stderr);
  t.same(await states(), { "/users.csv": "closed", "/orgs.csv": "closed" });
  t.ok(readFileSync(upload).equals(whole));
  t.equal(readFileSync(join(folder, "a.txt"), "utf8"), "accepted");
  t.match((await sftp(client, ["rm reports/a.txt"])).stderr, /permission denied/iu);
  const events: readonly string[] = await sql("sftp_audit").where({ district }).orderBy("id").pluck("event");
  const steps = ["login", "torn", "login", "upload", "upload", "rename", "upload", "delete", "login"];
  t.same(
    events.filter((event) => event !== "logout"),
    steps,
  );
  t.ok(events.includes("logout"));

  async function states(): Promise<Readonly<Record<string, string>>> {
    const rows: readonly { readonly path: string; readonly state: string }[] = await sql("drop_files").select();
    return Object.fromEntries(rows.map(({ path, state }) => [path, state]));
  }
});
