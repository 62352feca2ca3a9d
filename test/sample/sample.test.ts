// The generator's own ledger against a difference found the slow and obvious way, and what a generated set promises.

import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

import t from "tap";

import { isAppError } from "../../libs/errors.ts";
import { type SampleOptions, type SampleReport, writeSample } from "../../libs/sample/sample.ts";
import {
  type Image,
  difference,
  marked,
  readCsv,
  readImage,
  readLedger,
  readTable,
  referencesOf,
  types,
} from "./naive.ts";

type Choice = Omit<SampleOptions, "directory">;

async function write(test: { readonly testdirName: string }, name: string, choice: Choice): Promise<SampleReport> {
  const directory = join(test.testdirName, name);
  return writeSample({ directory, ...choice });
}

/** Compares long lists in an instant and, on failure, shows only the beginning of what differs. */
function sameLines(
  test: Pick<typeof t, "same">,
  actual: readonly unknown[],
  expected: readonly unknown[],
  what: string,
): void {
  const [was, should] = [actual, expected].map((list) => list.map((each) => JSON.stringify(each)));
  const differs = (line: string, index: number): boolean => line !== should?.[index];
  const at = was?.findIndex(differs) ?? -1;
  const from = at === -1 ? Math.min(was?.length ?? 0, should?.length ?? 0) : at;
  test.same(was?.slice(from, from + 3), should?.slice(from, from + 3), what);
}

function linesOf(image: Image): readonly string[] {
  return [...image].flatMap(([type, entities]) =>
    [...entities].map(([id, fields]) => JSON.stringify([type, id, ...[...fields].flat()])).toSorted(),
  );
}

const versions = ["1.1", "1.2"] as const;

for (const version of versions) {
  for (const { seed, students } of [
    { seed: 1, students: 240 },
    { seed: 77, students: 36 },
    { seed: 4_000_000_000, students: 1300 },
  ]) {
    t.test(`ledger equals the naive difference, ${version}, seed ${seed}, ${students} students`, async (t) => {
      t.testdir();
      let before: Image = new Map();
      for (const night of [1, 2, 3, 4, 5]) {
        const choice = { students, seed, version, night };
        const bulk = await write(t, `night-${night}`, choice);
        const delta = await write(t, `delta-${night}`, { ...choice, mode: "delta" });
        const after = readImage(bulk.directory);
        const expected = marked(before, difference(before, after));
        sameLines(t, readLedger(bulk.ledger), expected, `night ${night}`);
        sameLines(t, readLedger(delta.ledger), expected, `delta of night ${night}`);
        sameLines(
          t,
          linesOf(readImage(delta.directory, before)),
          linesOf(after),
          `night ${night} as delta leads to the same`,
        );
        if (night > 1) {
          t.ok(expected.length > 10, "something changes");
          t.notOk(
            expected.some((line) => line.suspicious),
            "an ordinary night is not suspicious",
          );
        }
        before = after;
      }
    });
  }

  for (const scenario of ["drop", "renamed-ids"] as const) {
    t.test(`ledger equals the naive difference in ${scenario}, and on the night after it, ${version}`, async (t) => {
      t.testdir();
      for (const { seed, students } of [
        { seed: 3, students: 60 },
        { seed: 9, students: 700 },
        // With eleven schools and more, the students of one are below the limits, whatever the version.
        ...(scenario === "drop" && version === "1.2" ? [{ seed: 12, students: 5600 }] : []),
      ]) {
        const choice = { students, seed, version };
        const before = readImage((await write(t, `${seed}-2`, { ...choice, night: 2 })).directory);
        const strange = { ...choice, night: 3, scenario };
        const bulk = await write(t, `${seed}-3`, strange);
        const after = readImage(bulk.directory);
        const expected = marked(before, difference(before, after));
        sameLines(t, readLedger(bulk.ledger), expected, `${scenario}, seed ${seed}`);
        t.ok(
          expected.some((line) => line.suspicious),
          "deletes are beyond the limits",
        );
        t.ok(
          expected.some((line) => line.op === "updated"),
          "and other changes are there",
        );
        t.equal(
          expected.some((line) => line.waits),
          scenario === "drop",
          "parents of what is held wait in a drop",
        );
        const delta = await write(t, `${seed}-3-delta`, { ...strange, mode: "delta" });
        sameLines(t, linesOf(readImage(delta.directory, before)), linesOf(after), "as delta it leads to the same");
        const back = await write(t, `${seed}-4`, { ...choice, night: 4, previousScenario: scenario });
        const later = readImage(back.directory);
        sameLines(
          t,
          readLedger(back.ledger),
          marked(after, difference(after, later)),
          "the night after, back to normal",
        );
        const on = await write(t, `${seed}-4-on`, { ...strange, night: 4, previousScenario: scenario });
        const lasting = readImage(on.directory);
        sameLines(t, readLedger(on.ledger), marked(after, difference(after, lasting)), "the night after, still so");
      }
    });
  }

  t.test(`every reference of a set resolves, ${version}`, async (t) => {
    t.testdir();
    for (const [night, scenario] of [
      [1, "normal"],
      [6, "normal"],
      [7, "renamed-ids"],
    ] as const) {
      const image = readImage(
        (await write(t, `night-${night}`, { students: 700, version, night, scenario })).directory,
      );
      const keys = new Set([...image].flatMap(([type, entities]) => [...entities.keys()].map((id) => `${type} ${id}`)));
      const dangling = [...image].flatMap(([type, entities]) =>
        [...entities].flatMap(([id, fields]) => referencesOf(type, id, fields).filter((to) => !keys.has(to))),
      );
      t.same(dangling, [], `night ${night}`);
    }
  });

  t.test(`a set declares exactly its files and has the shape of a real district, ${version}`, async (t) => {
    t.testdir();
    const { directory, files, rows } = await write(t, "set", { students: 2000, version });
    const properties = new Map(
      readCsv(join(directory, "manifest.csv")).map(([name = "", value = ""]) => [name, value]),
    );
    t.equal(properties.get("oneroster.version"), version);
    const declared = [...properties].filter(([name]) => name.startsWith("file."));
    t.equal(declared.length, version === "1.1" ? 13 : 21);
    t.same(
      declared
        .filter(([, mode]) => mode === "bulk")
        .map(([name]) => `${name.slice("file.".length)}.csv`)
        .toSorted(),
      readdirSync(directory)
        .filter((name) => name.endsWith(".csv") && name !== "manifest.csv")
        .toSorted(),
    );
    t.equal(
      Object.values(files).reduce((sum, each) => sum + each, 0),
      rows,
    );
    const image = readImage(directory);
    t.equal([...(image.get("user") ?? [])].filter(([id]) => id.startsWith("s")).length, 2000);
    const perClass = new Map<string, number>();
    for (const fields of image.get("enrollment")?.values() ?? []) {
      if (fields.get("role") !== "student") continue;
      const key = fields.get("classSourcedId") ?? "";
      perClass.set(key, (perClass.get(key) ?? 0) + 1);
    }
    const mean = [...perClass.values()].reduce((sum, each) => sum + each, 0) / perClass.size;
    t.ok(mean >= 24 && mean <= 31, `${mean.toFixed(1)} students in a class`);
    const orgs = [...(image.get("org")?.values() ?? [])];
    t.same(
      orgs.map((org) => org.get("identifier")?.length),
      [7, 12, 12, 12, 12],
    );
    t.ok(
      orgs.every((org) => org.get("identifier")?.startsWith("0")),
      "leading zeros occur",
    );
    for (const [, file] of types) {
      for (const row of readTable(directory, file)) {
        if (row.get("status") !== "" || row.get("dateLastModified") !== "") t.fail(`${file}: marks in a bulk file`);
      }
    }
  });
}

t.test("the same options give the same bytes, and each of seed, night and students matters", async (t) => {
  t.testdir();
  const bytes = async (name: string, choice: Choice): Promise<string> => {
    const { directory } = await write(t, name, choice);
    return readdirSync(directory)
      .toSorted()
      .map((file) => `${file}\n${readFileSync(join(directory, file), "utf8")}`)
      .join();
  };
  const choice = { students: 120, night: 3, seed: 5 };
  const once = await bytes("a", choice);
  t.equal(await bytes("b", choice), once);
  t.equal(await bytes("a", choice), once, "written over itself");
  t.not(await bytes("c", { ...choice, seed: 6 }), once);
  t.not(await bytes("d", { ...choice, night: 4 }), once);
  t.not(await bytes("e", { ...choice, students: 121 }), once);
});

t.test("a filled set has rows in which only dateLastModified moved, and the ledger is silent about them", async (t) => {
  t.testdir();
  const choice = { students: 240, filled: true, version: "1.2" } as const;
  const first = await write(t, "one", { ...choice, night: 1 });
  const second = await write(t, "two", { ...choice, night: 2 });
  const named = new Set(readLedger(second.ledger).map((line) => `${line.type} ${line.sourcedId}`));
  const silent = types.filter(([type, file]) => {
    const dates = new Map(
      readTable(first.directory, file).map((row) => [row.get("sourcedId"), row.get("dateLastModified")]),
    );
    const moved = readTable(second.directory, file).filter((row) => {
      if (row.get("status") !== "active") t.fail("status is filled");
      const date = dates.get(row.get("sourcedId"));
      return date !== undefined && date !== row.get("dateLastModified");
    });
    return moved.some((row) => !named.has(`${type} ${row.get("sourcedId") ?? ""}`));
  });
  t.ok(silent.length >= 3, silent.map(([type]) => type).join());
  const [before, after] = [readImage(first.directory), readImage(second.directory)];
  sameLines(t, readLedger(second.ledger), difference(before, after), "ledger");
});

t.test("names need quoting and more than ASCII, and no cell breaks a line", async (t) => {
  t.testdir();
  const { directory } = await write(t, "set", { students: 3000, night: 300 });
  const text = readFileSync(join(directory, "users.csv"), "utf8");
  t.match(text, /"Clarke, Jr\."/u);
  t.match(text, /"Jo ""JJ"""/u);
  t.match(text, /O'Brien/u);
  t.match(text, /Ångström/u);
  t.notMatch(text.replaceAll("\r\n", ""), /[\r\n]/u);
  const addresses = readTable(directory, "users").map((row) => row.get("email") ?? "");
  t.equal(new Set(addresses).size, addresses.length, "addresses are unique");
  t.ok(addresses.every((address) => /^[a-z0-9.]+@[a-z0-9]+\.example$/u.test(address)));
});

t.test("a file of an earlier set that the new one has not got is removed", async (t) => {
  t.testdir();
  const { directory } = await write(t, "set", { students: 60, night: 1, version: "1.2" });
  t.ok(readdirSync(directory).includes("roles.csv"));
  await write(t, "set", { students: 60, night: 1, version: "1.1" });
  t.notOk(readdirSync(directory).includes("roles.csv"));
});

t.test("an option out of range is refused, and so is a folder that cannot be written", async (t) => {
  t.testdir({ file: "" });
  for (const bad of [{ students: 0 }, { students: 1.5 }, { students: 10, night: 0 }, { students: 10, seed: -1 }]) {
    const thrown: unknown = await write(t, "set", bad).catch((error: unknown) => error);
    t.ok(isAppError(thrown, "usage"), JSON.stringify(bad));
  }
  const thrown: unknown = await write(t, "file", { students: 10 }).catch((error: unknown) => error);
  t.ok(isAppError(thrown, "sample.io"));
});
