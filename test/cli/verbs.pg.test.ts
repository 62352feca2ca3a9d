// The verbs through the real launcher, as a person or a script meets them: help, answers, exit codes, errors.

import { readFileSync } from "node:fs";
import { join } from "node:path";

import type { Command } from "commander";
import t from "tap";

import { commandLine } from "../../libs/cli/program.ts";
import { type Ended, finish } from "../support/child.ts";
import { freshDatabase } from "../support/postgres.ts";
import type { Teardown } from "../support/teardown.ts";

const launcher = join(import.meta.dirname, "../../bin/rollcall");
const fixtures = join(import.meta.dirname, "../fixtures");
t.setTimeout(120_000);

type Rollcall = (...args: readonly string[]) => Promise<Ended>;

/** The command line without a database that could be reached, in a folder of its own. */
function withoutDatabase(folder: string): Rollcall {
  const env = { ROLLCALL_DATA: join(folder, "data"), DATABASE_URL: "postgres://someone:secret@localhost:1/none" };
  return (...args) => finish([launcher, ...args], { env, cwd: folder });
}

async function onDatabase(t: Teardown, folder: string): Promise<Rollcall & { readonly env: NodeJS.ProcessEnv }> {
  const env = { ROLLCALL_DATA: join(folder, "data"), DATABASE_URL: (await freshDatabase(t)).url };
  const run: Rollcall = (...args) => finish([launcher, ...args], { env, cwd: folder });
  return Object.assign(run, { env });
}

function commandNamed(command: Command, name: string): Command {
  const found = command.commands.find((each) => each.name() === name);
  if (found === undefined) throw new Error(`there is no ${name}`);
  return found;
}

/** The commands that do something by themselves. */
function leavesOf(command: Command): readonly Command[] {
  return command.commands.flatMap((each) => (each.commands.length === 0 ? [each] : leavesOf(each)));
}

/** The whole help of a command, as `--help` prints it, and its name behind those of the groups. */
function helpOf(command: Command): { readonly path: string; readonly help: string } {
  let help = "";
  command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
  const path = /^Usage: rollcall (?<path>[a-z ]+?) (?:\[|<)/u.exec(help)?.groups?.["path"] ?? "";
  return { path, help };
}

const jsonOf = ({ stdout }: Ended): unknown => JSON.parse(stdout);

void t.test("help lists the verbs, and the help of each shows what it takes and an example", async (t) => {
  const rollcall = withoutDatabase(t.testdir({}));
  const { code, stdout } = await rollcall("--help");
  t.equal(code, 0);
  const verbs = [...stdout.matchAll(/^ {2}(?<verb>[a-z]+) (?:\[|<| )/gmu)].map((match) => match.groups?.["verb"] ?? "");
  for (const verb of [
    "up",
    "validate",
    "deliver",
    "plan",
    "approve",
    "reject",
    "changes",
    "records",
    "report",
    "sample",
    "demo",
  ])
    t.ok(verbs.includes(verb), verb);
  const groups: Readonly<Record<string, readonly string[]>> = {
    district: ["add", "list", "show", "set", "pilot", "release", "leave"],
    login: ["send", "show", "list", "school", "link", "unlink"],
    license: ["put", "list", "seats", "remove"],
    account: ["create", "link", "unlink", "activate", "deactivate", "show"],
    token: ["create", "list", "revoke"],
    topics: ["apply"],
    stack: ["up", "down", "reset"],
  };
  for (const [group, own] of Object.entries(groups)) {
    const below = commandNamed(commandLine(), group).commands.map((command) => command.name());
    t.match(below, own, group);
  }
  for (const command of leavesOf(commandLine())) {
    const { path, help } = helpOf(command);
    t.match(help, new RegExp(`Example:\\n {2}\\$ rollcall ${path}`, "u"), `${path}: example`);
    if (path !== "demo") t.match(help, "--json", `${path}: --json`);
  }
  const { code: exitCode, stdout: said } = await rollcall("district", "add", "--help");
  t.match([exitCode, said], [0, helpOf(commandNamed(commandNamed(commandLine(), "district"), "add")).help]);
});

void t.test("wrong usage ends with 2, says what is wrong, and suggests what was meant", async (t) => {
  const rollcall = withoutDatabase(t.testdir({}));
  const cases: readonly (readonly [string, RegExp])[] = [
    ["deliverr d x", /Did you mean deliver\?/u],
    ["district lst", /Did you mean list\?/u],
    ["plan d --jsn", /Did you mean --json\?/u],
    ["plan", /missing required argument 'district'/u],
    ["plan a b", /too many arguments/u],
    ["approve d x", /number that `rollcall plan` shows/u],
    ["approve d 0", /number that `rollcall plan` shows/u],
    ["sample --oneroster 1.0", /Allowed choices are 1\.1, 1\.2/u],
    ["sample --students many", /whole number/u],
    ["approve d 1 --type pupil", /pupil is no entity type: org, /u],
    ["deliver d x --source A_B", /source id/u],
    ["", /Usage: rollcall/u],
  ];
  for (const [line, says] of cases) {
    const { code, stdout, stderr } = await rollcall(...line.split(" ").filter((word) => word !== ""));
    t.equal(code, 2, `rollcall ${line}: exit code`);
    t.match(stderr, says, `rollcall ${line}: says why`);
    t.equal(stdout, "", `rollcall ${line}: nothing on stdout`);
  }
});

void t.test(
  "an error names what failed and the remedy, under --json as one object too, and repeats no secret",
  async (t) => {
    const folder = t.testdir({ "policy.json": "{", "limits.json": '{"limits":{"deletes":{"pupil":{}}}}' });
    const rollcall = withoutDatabase(folder);
    const cases: readonly (readonly [string, number, string])[] = [
      ["validate nowhere", 1, "set.unreadable"],
      [`validate ${fixtures}/v12-bulk --policy nowhere.json`, 2, "config.invalid"],
      [`validate ${fixtures}/v12-bulk --policy policy.json`, 2, "config.invalid"],
      [`validate ${fixtures}/v12-bulk --policy limits.json`, 2, "config.invalid"],
      ["district list", 1, "database.unreachable"],
      ["plan d", 1, "database.unreachable"],
      ["up", 1, "database.unreachable"],
    ];
    for (const [line, exitCode, errorCode] of cases) {
      const ended = await rollcall(...line.split(" "), "--json");
      t.equal(ended.code, exitCode, `rollcall ${line}: exit code`);
      t.match(jsonOf(ended), { error: { code: errorCode, message: /./u, remedy: /./u } }, `rollcall ${line}: JSON`);
      t.match(ended.stderr, /^rollcall: .+\n {2}.+\n$/u, `rollcall ${line}: two lines for people`);
      t.notMatch(ended.stderr + ended.stdout, "secret");
    }
  },
);

void t.test("validate, sample and templates need no database", async (t) => {
  const folder = t.testdir({});
  const rollcall = withoutDatabase(folder);
  const good = await rollcall("validate", join(fixtures, "v12-bulk"), "--json");
  t.equal(good.code, 0);
  t.match(jsonOf(good), { format: 1, verdict: { outcome: "accepted", version: "1.2" } });
  for (const set of ["refused-v10-columns", "refused-microsoft-sds", "no-row-at-all"]) {
    const bad = await rollcall("validate", join(fixtures, set), "--json");
    t.equal(bad.code, 3, set);
    t.match(jsonOf(bad), { verdict: { outcome: "refused", refusal: /^[A-Z].+\.$/u } }, set);
    const text = await rollcall("validate", join(fixtures, set));
    t.match([text.code, text.stdout], [3, /refused: /u], `${set} for people`);
  }
  const written = await rollcall("templates", "--out", "made", "--json");
  t.match(jsonOf(written), { directory: "made", files: ["manifest.csv", "orgs.csv"] });
  t.match((await rollcall("sample", "--students", "5", "--out", "set", "--json")).stdout, '"directory":"set"');
  t.match((await rollcall("sample", "--students", "5", "--out", "set")).stdout, /^ {2}users\.csv: [1-9][0-9]* rows$/mu);
  t.equal((await rollcall("validate", "set")).code, 0);
});

void t.test("a district from its first set to a decision, in exit codes and JSON", async (t) => {
  const folder = t.testdir({});
  const rollcall = await onDatabase(t, folder);
  const sample = async (...options: readonly string[]): Promise<void> => {
    t.equal((await rollcall("sample", "--students", "150", ...options)).code, 0);
  };
  await sample("--out", "one");
  await sample("--out", "two", "--night", "2", "--scenario", "drop");

  t.match(jsonOf(await rollcall("district", "list", "--json")), []);
  t.equal((await rollcall("deliver", "springfield", "one")).code, 2, "a district that does not exist");
  t.match(jsonOf(await rollcall("district", "add", "springfield", "--json")), { id: "springfield", state: "setup" });
  t.equal((await rollcall("district", "add", "springfield")).code, 2, "one that exists already");
  t.equal((await rollcall("district", "add", "No!")).code, 2, "what is no id");
  t.equal((await rollcall("district", "set", "springfield", "timeZone=Mars/Base")).code, 2, "what is no time zone");
  const changed = await rollcall("district", "set", "springfield", "limits.deletes.user.count=7", "--json");
  t.match(jsonOf(changed), { policy: { limits: { deletes: { user: { count: 7, share: 0.1 } } } } });
  t.equal(jsonOf(await rollcall("plan", "springfield", "--json")), null, "no plan yet");

  const first = await rollcall("deliver", "springfield", "one", "--json");
  t.equal(first.code, 0);
  t.match(jsonOf(first), { delivery: "springfield.files.1", outcome: "published", changeset: { number: 1 } });
  const again = jsonOf(await rollcall("deliver", "springfield", "one", "--json"));
  t.match(again, { delivery: "springfield.files.2", outcome: "published" });
  t.same(again, { ...Object(again), changeset: { number: 2, counts: [] } }, "the same again changes nothing");
  const refused = await rollcall("deliver", "springfield", join(fixtures, "no-row-at-all"), "--json");
  t.equal(refused.code, 3);
  t.match(jsonOf(refused), { outcome: "refused", reason: /./u, plan: null, changeset: null });
  const report = await rollcall("report", "springfield.files.3", "--json");
  t.match([report.code, jsonOf(report)], [0, { verdict: { outcome: "refused" } }]);

  const held = await rollcall("deliver", "springfield", "two", "--json");
  t.match([held.code, jsonOf(held)], [0, { outcome: "held", plan: { version: 3, state: "open" } }]);
  t.match((await rollcall("plan", "springfield")).stdout, "rollcall approve springfield 3");
  t.match(jsonOf(await rollcall("approve", "springfield", "1", "--json")), { outcome: "refused", reason: /closed/u });
  t.equal((await rollcall("reject", "springfield", "99")).code, 3, "a version that does not exist");
  const approved = await rollcall("approve", "springfield", "3", "--json");
  t.match(
    [approved.code, jsonOf(approved)],
    [0, { outcome: "applied", changeset: { number: 4 }, plan: { state: "closed" } }],
  );

  const changes = await rollcall("changes", "springfield", "--from", "3", "--json");
  const lines = changes.stdout
    .trimEnd()
    .split("\n")
    .map((line): unknown => JSON.parse(line));
  const expected = readFileSync(join(folder, "two/expected.jsonl"), "utf8").trimEnd().split("\n");
  t.equal(lines.length, expected.filter((line) => !line.includes('"type":"demographics"')).length);
  t.match(lines[0], { changeset: 3, type: /./u, sourcedId: /./u, op: /created|updated|deleted/u });
});

void t.test("changes into a reader that stops early end quietly", async (t) => {
  const folder = t.testdir({});
  const rollcall = await onDatabase(t, folder);
  await rollcall("district", "add", "springfield");
  await rollcall("sample", "--students", "150", "--out", "one");
  t.equal((await rollcall("deliver", "springfield", "one")).code, 0);
  const piped = `"${launcher}" changes springfield | head -n 1`;
  const { code, stdout, stderr } = await finish(["bash", "-o", "pipefail", "-c", piped], { env: rollcall.env });
  t.equal(stderr, "");
  t.equal(code, 0);
  t.match(stdout, /^1\tcreated\torg\t.*\n$/u);
});
