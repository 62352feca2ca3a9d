// What landing must keep, held against a naive reading of the rule: one question per file, each over all deliveries.

import t from "tap";

import { forgettable, type Retention, type StoredDelivery } from "../../libs/domain/landing-retention.ts";
import { forSeeds, type Random } from "../support/seeded.ts";

type Stored = StoredDelivery<number>;

const names = ["manifest.csv", "users.csv", "orgs.csv", "results.csv"];
const retention: Retention = { now: 100, filesMs: 30, documentsMs: 90 };

function randomDeliveries(random: Random): readonly Stored[] {
  return Array.from({ length: random.below(random.size + 1) }, (_, index): Stored => {
    const files = random.some(names, 0.7);
    const read = files.filter((name) => (name === "users.csv" || name === "orgs.csv") && random.chance(0.9));
    return {
      id: index,
      sequence: index + 1,
      state: random.pick(["accepted", "accepted", "accepted", "refused", "received"]),
      receivedAt: random.below(100),
      isNamed: random.chance(0.1),
      files,
      readAs: random.chance(0.1)
        ? null
        : Object.fromEntries(read.map((name) => [name, random.chance(0.5) ? "whole" : "part"])),
    };
  });
}

/** Whether the whole delivery must stay, with its documents. */
function staysWhole(all: readonly Stored[], one: Stored): boolean {
  const isNewest = !all.some(({ state, sequence }) => state === "accepted" && sequence > one.sequence);
  return one.isNamed || one.state === "received" || (one.state === "accepted" && isNewest);
}

/** Whether the file must stay whatever its age. */
function isNeeded(all: readonly Stored[], one: Stored, name: string): boolean {
  if (staysWhole(all, one)) return true;
  if (one.state !== "accepted") return false;
  if (name === "manifest.csv") return one.files.some((other) => other !== name && isNeeded(all, one, other));
  if (one.readAs !== null && !(name in one.readAs)) return false;
  return !all.some(
    ({ state, sequence, readAs }) => state === "accepted" && sequence > one.sequence && readAs?.[name] === "whole",
  );
}

void t.test("what is forgotten is exactly what a naive reading of the rule does not need", (t) => {
  forSeeds(t, { runs: 500, size: 12 }, (random) => {
    const all = randomDeliveries(random);
    const found = forgettable(random.shuffled(all), retention);
    for (const one of all) {
      const said = found.find(({ id }) => id === one.id);
      const old = one.receivedAt < retention.now - retention.filesMs;
      const files = one.files.filter((name) => old && !isNeeded(all, one, name));
      const documents = one.receivedAt < retention.now - retention.documentsMs && !staysWhole(all, one);
      const expected = JSON.stringify({ files, documents });
      const got = JSON.stringify({ files: said?.files ?? [], documents: said?.documents ?? false });
      if (got !== expected) throw new Error(`delivery ${one.id} of ${JSON.stringify(all)}: ${got}, not ${expected}`);
    }
  });
  t.end();
});

void t.test("the last whole and every part since stay, however old, and the rest goes", (t) => {
  const accepted = (sequence: number, how: "whole" | "part"): Stored => ({
    id: sequence,
    sequence,
    state: "accepted",
    receivedAt: 0,
    isNamed: false,
    files: ["manifest.csv", "users.csv"],
    readAs: { "users.csv": how },
  });
  const all = [
    accepted(1, "whole"),
    accepted(2, "part"),
    accepted(3, "whole"),
    accepted(4, "part"),
    accepted(5, "part"),
  ];
  t.strictSame(
    forgettable(all, retention).map(({ id, files }) => [id, files]),
    [
      [4, []],
      [3, []],
      [2, ["manifest.csv", "users.csv"]],
      [1, ["manifest.csv", "users.csv"]],
    ],
    "of 3 and 4 only the documents",
  );
  t.strictSame(forgettable(all, { ...retention, now: 30 }), [], "nothing before its time");
  t.end();
});
