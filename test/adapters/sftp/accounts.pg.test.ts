// Accounts of the SFTP server as PostgreSQL has them: who is one, by what they prove it, and what is written down (A028, A029, C016).

import t from "tap";

import { newKeyPair } from "../../../libs/adapters/sftp/key-pair.ts";
import { addCredential } from "../../../libs/adapters/postgres/sftp-credentials.ts";
import { PostgresAccounts, usernameOf } from "../../../libs/adapters/sftp/accounts.ts";
import { hashPassword } from "../../../libs/adapters/sftp/password.ts";
import { readPublicKey } from "../../../libs/adapters/sftp/public-key.ts";
import { parseSourceId } from "../../../libs/domain/ids.ts";
import { addDistrict, freshSystem } from "../../support/system.ts";

t.test("an account is an enabled source of the kind sftp, by its name alone", async (t) => {
  const system = await freshSystem(t);
  const district = await addDistrict(system, "oak");
  const accounts = accountsOf(system);
  await system.sql("sources").insert([
    { district, id: "sftp", kind: "sftp", settings: JSON.stringify({ addresses: ["198.51.100.7"] }) },
    { district, id: "second", kind: "sftp" },
    { district, id: "watched", kind: "folder" },
    { district, id: "over", kind: "sftp", disabled_at: new Date() },
  ]);
  t.match(await accounts.find("oak"), { district: "oak", source: "sftp", addresses: ["198.51.100.7"] });
  t.match(await accounts.find("oak.second"), { source: "second", addresses: [] });
  for (const name of ["oak.watched", "oak.over", "elm", "oak.sftp.x", "oak.none", "", ".", "../oak", "OAK"])
    t.equal(await accounts.find(name), null, name);
  await system.sql("districts").where({ id: district }).update({ state: "leaving" });
  t.equal(await accounts.find("oak"), null, "its district is leaving");
  t.same([usernameOf(district, sourceNamed("sftp")), usernameOf(district, sourceNamed("x"))], ["oak", "oak.x"]);
});

t.test("several passwords and keys hold at once, and each says when it was used last", async (t) => {
  const system = await freshSystem(t);
  const district = await addDistrict(system, "oak");
  await system.sql("sources").insert({ district, id: "sftp", kind: "sftp" });
  const accounts = accountsOf(system);
  const account = await accounts.find("oak");
  if (account === null) return t.fail();
  const accepts = async (password: string): Promise<boolean> =>
    (await accounts.accepts(account, { kind: "password", password })) !== null;
  t.notOk(await accepts("one"), "an account without a password has none");
  const place = { district, source: account.source };
  for (const password of ["one", "two"])
    await addCredential(system.sql, place, {
      kind: "password",
      label: password,
      fingerprint: null,
      secret: await hashPassword(password),
    });
  const key = readPublicKey(newKeyPair("ed25519").public);
  if (key.outcome === "fault") return t.fail(key.fault);
  await addCredential(system.sql, place, {
    kind: "key",
    label: "key",
    fingerprint: key.key.fingerprint,
    secret: key.key.text,
  });
  const data = Buffer.from(key.key.text.split(" ")[1] ?? "", "base64");
  t.same([await accepts("one"), await accepts("two"), await accepts("three")], [true, true, false]);
  const byKey = { kind: "key", data } as const;
  t.ok(await accounts.accepts(account, { ...byKey, isProven: false }));
  await accounts.audit({ event: "login", account, address: "198.51.100.7" });
  await accounts.audit({ event: "refused", account, address: "198.51.100.8" });
  await accounts.audit({ event: "login", account: { ...account, source: sourceNamed("x") }, address: "198.51.100.9" });
  t.same(await accounts.signedInFrom(account), ["198.51.100.7"]);
  t.same(await usedLabels(), ["one", "two"], "to ask about a key is not to use it");
  t.ok(await accounts.accepts(account, { ...byKey, isProven: true }));
  t.same(await usedLabels(), ["key", "one", "two"]);
  t.equal(await accounts.accepts(null, { kind: "password", password: "one" }), null);
  t.equal(await accounts.accepts(null, { ...byKey, isProven: true }), null);
  const written = async (): Promise<number> => (await system.sql("sftp_audit")).length;
  const before = await written();
  await accounts.audit({ event: "refused", account: null, address: "198.51.100.9" });
  await system.sql("sources").delete();
  await system.sql("districts").delete();
  await accounts.audit({ event: "logout", account, address: "198.51.100.7" });
  t.equal(await written(), before + 1, "a session that ends after its district was removed writes nothing of it");

  async function usedLabels(): Promise<readonly string[]> {
    return system.sql("sftp_credentials").whereNotNull("last_used_at").orderBy("label").pluck("label");
  }
});

t.test("a password that is refused costs as much for every name, whatever passwords it has", async (t) => {
  const system = await freshSystem(t);
  const district = await addDistrict(system, "oak");
  await system.sql("sources").insert({ district, id: "sftp", kind: "sftp" });
  const accounts = accountsOf(system);
  const account = await accounts.find("oak");
  const cost = async (of: typeof account): Promise<number> => {
    const since = process.cpuUsage();
    for (let i = 0; i < 3; i++) await accounts.accepts(of, { kind: "password", password: "wrong" });
    const { user, system: kernel } = process.cpuUsage(since);
    return user + kernel;
  };
  if (account === null) return t.fail();
  const costs = [await cost(null), await cost(account)];
  for (const label of ["one", "two"]) {
    const secret = await hashPassword(label);
    await addCredential(system.sql, account, { kind: "password", label, fingerprint: null, secret });
    costs.push(await cost(account));
  }
  t.ok(Math.max(...costs) < Math.min(...costs) * 1.6, costs.join(", "));
});

t.test("who signed in is an account for as long as it is enabled and the credential has not ended", async (t) => {
  const system = await freshSystem(t);
  const district = await addDistrict(system, "oak");
  await system.sql("sources").insert({ district, id: "sftp", kind: "sftp" });
  const accounts = accountsOf(system);
  const account = await accounts.find("oak");
  if (account === null) return t.fail();
  const secret = await hashPassword("one");
  await addCredential(system.sql, account, { kind: "password", label: "one", fingerprint: null, secret });
  const credential = await accounts.accepts(account, { kind: "password", password: "one" });
  if (credential === null) return t.fail();
  await system.sql("sources").update({ settings: JSON.stringify({ addresses: ["198.51.100.7"] }) });
  t.match(await accounts.recall(account, credential), { addresses: ["198.51.100.7"] }, "as it is now");
  await system.sql("sources").update({ disabled_at: new Date() });
  t.equal(await accounts.recall(account, credential), null, "disabled");
  await system.sql("sources").update({ disabled_at: null });
  await system.sql("districts").where({ id: district }).update({ state: "leaving" });
  t.equal(await accounts.recall(account, credential), null, "leaving");
  await system.sql("districts").where({ id: district }).update({ state: "active" });
  t.not(await accounts.recall(account, credential), null);
  t.equal(await accounts.recall(account, credential + 1), null, "another credential");
  await system.sql("sftp_credentials").delete();
  t.equal(await accounts.recall(account, credential), null, "ended");
});

t.test("what happens is written down, also about a name that is no account's", async (t) => {
  const system = await freshSystem(t);
  const district = await addDistrict(system, "oak");
  const accounts = accountsOf(system);
  const account = { district, source: sourceNamed("sftp"), addresses: [] };
  const address = "198.51.100.7";
  await accounts.audit({ event: "refused", account: null, address, reason: "unknown name" });
  await accounts.audit({ event: "rename", account, address, path: "/b.csv", formerPath: "/a.csv", bytes: 7 });
  const rows: readonly unknown[] = await system.sql("sftp_audit").orderBy("id").select();
  t.match(rows, [
    { district: null, source: null, address, event: "refused", reason: "unknown name" },
    { district: "oak", source: "sftp", event: "rename", path: "/b.csv", former_path: "/a.csv", bytes: 7 },
  ]);
});

function sourceNamed(id: string) {
  const source = parseSourceId(id);
  if (source === null) throw new Error(`${id} is no source id`);
  return source;
}

function accountsOf(system: Pick<Awaited<ReturnType<typeof freshSystem>>, "sql">): PostgresAccounts {
  return new PostgresAccounts({
    sql: system.sql,
    files: () => {
      throw new Error("no files are asked for here");
    },
  });
}
