// Faults of a OneRoster server mixed by seed: at most one of each group, on a server that pages, links and counts one way or
// another, from the request to the roster. Whatever is mixed, nobody is deleted and nothing is lost. `TORTURE=1` tries many
// seeds, `SEED=7` one alone.

import t from "tap";

import { type Collection, requiredCollections } from "../../libs/domain/api/collections.ts";
import { faultGroups } from "../support/oneroster-faults.ts";
import { pagingFaults } from "../support/oneroster-faults-paging.ts";
import type { Fault } from "../support/oneroster-fault.ts";
import { truthOf } from "../support/oneroster-items.ts";
import { addLane, type Lane, tryFaults, withDiff } from "../support/oneroster-pulls.ts";
import { Random } from "../support/seeded.ts";
import { freshSystem } from "../support/system.ts";

const isTorture = process.env["TORTURE"] === "1";
const alone = Number(process.env["SEED"] ?? 0);
const rounds = isTorture ? 20 : 1;
const seedsOfRound = isTorture ? 60 : 18;
t.setTimeout(isTorture ? 1_800_000 : 120_000);

const lanesOf = [
  { version: "1.2", auth: "oauth2" },
  { version: "1.1", auth: "oauth1-sha256" },
  { version: "1.1", auth: "oauth2" },
] as const;

const paged: readonly Collection[] = ["courses", "classes", "enrollments"];

type Mix = {
  readonly faults: readonly Fault[];
  readonly target: Collection;
  readonly night: number;
  readonly paging: { readonly total: boolean; readonly links: boolean; readonly most: number | null };
};

function mixOf(random: Random, hasTokens: boolean): Mix {
  const groups = random.shuffled(faultGroups).slice(0, 2 + random.below(faultGroups.length - 1));
  const paging = {
    total: random.chance(0.6),
    links: random.chance(0.6),
    most: random.pick([null, null, 7, 23]),
  };
  const faults: Fault[] = [];
  for (const group of groups) {
    const fault = random.pick(group);
    const isBlind = !paging.total || faults.some(({ spoilsTotal }) => spoilsTotal);
    const isUnfit = (fault.tokens && !hasTokens) || (fault.needsTotal && isBlind);
    const spoils = fault.spoilsTotal && faults.some(({ needsTotal }) => needsTotal);
    if (!isUnfit && !spoils) faults.push(fault);
  }
  // A collection that is read at once can neither move between pages nor lack one.
  const isPaged = faults.some((fault) => pagingFaults.includes(fault));
  const target = random.pick(isPaged ? paged : requiredCollections);
  return { faults, target, night: 1 + random.below(3), paging };
}

// A system of its own for each round: the checker reads a roster's topic from its beginning.
for (let round = 0; round < (alone > 0 ? 1 : rounds); round++) {
  void t.test(`faults mixed by seed delete nobody and lose nothing, round ${round + 1}`, async (t) => {
    const system = await freshSystem(t);
    const lanes: Lane[] = [];
    for (const each of lanesOf)
      lanes.push(await addLane(t, system, { ...each, data: await truthOf({ version: each.version }) }));
    const seeds =
      alone > 0 ? [alone] : Array.from({ length: seedsOfRound }, (_, index) => round * seedsOfRound + index + 1);
    const outcomes = new Map<string, number>();
    await withDiff(system, async (signal) => {
      await Promise.all(
        lanes.map(async (lane, index) => {
          const { version } = lane.served.data();
          const nights = await Promise.all([1, 2, 9, 17].map((night) => truthOf({ version, night })));
          await lane.pull(signal);
          let at = 0;
          for (const seed of seeds.filter((each) => each % lanes.length === index)) {
            const mix = mixOf(new Random(seed, 1), lanesOf[index]?.auth === "oauth2");
            lane.served.setPaging(mix.paging);
            at = (at + mix.night) % nights.length;
            const next = nights[at];
            if (next === undefined) throw new Error("no such night");
            const faults = mix.faults.map(({ name }) => name);
            const trial = await tryFaults(lane, { faults, target: mix.target, next }, signal);
            outcomes.set(trial.outcome, (outcomes.get(trial.outcome) ?? 0) + 1);
            const what = `SEED=${seed}, ${lane.place.district}, ${faults.join(" and ")} on ${mix.target}, ${JSON.stringify(mix.paging)}`;
            t.same(trial.faults, [], `${what}: ${trial.outcome} ${trial.reason}`);
          }
        }),
      );
    });
    t.pass(`${seeds.length} seeds: ${[...outcomes].map(([outcome, times]) => `${times} ${outcome}`).join(", ")}`);
  });
}
