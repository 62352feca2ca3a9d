// Three nights with a hold and two approvals, as steps that may be done again until they succeed: what a person, or the
// scheduler of a machine that lost its power, would do.

import { join } from "node:path";

import { writeSample } from "../../libs/sample/sample.ts";
import type { SystemUnderKill } from "./system-under-kill.ts";

export const district = "riverside";
const by = "test";

export type Step = {
  readonly name: string;
  /** The command, from what the district's plan says now; null when the step is done already. */
  readonly command: (system: SystemUnderKill) => Promise<readonly string[] | null>;
};

/** Writes the sets of three nights. Their terms end far in the future, so that nothing depends on today. */
export async function writeNights(folder: string, students: number): Promise<readonly string[]> {
  const nights = [
    { night: 1, scenario: "normal", previousScenario: "normal" },
    { night: 2, scenario: "drop", previousScenario: "normal" },
    { night: 3, scenario: "drop", previousScenario: "drop" },
  ] as const;
  const folders: string[] = [];
  for (const options of nights) {
    const directory = join(folder, `night-${options.night}`);
    await writeSample({ directory, students, schoolYear: 2199, ...options });
    folders.push(directory);
  }
  return folders;
}

export function steps(nights: readonly string[]): readonly Step[] {
  return [
    ...nights.map((path, index) => ({
      name: `deliver night ${index + 1}`,
      command: () => Promise.resolve(["deliver", district, path, "--json"]),
    })),
    { name: "approve enrollments", command: (system) => approval(system, ["enrollment"]) },
    { name: "approve the rest", command: (system) => approval(system, []) },
  ];
}

type Plan = {
  readonly version: number;
  readonly state: string;
  readonly held: Readonly<Record<string, number>>;
};

async function approval(system: SystemUnderKill, types: readonly string[]): Promise<readonly string[] | null> {
  const { code, stdout, stderr } = await system.run("plan", district, "--json");
  if (code !== 0) throw new Error(`the plan cannot be seen\n${stderr}`);
  const plan: Plan | null = JSON.parse(stdout);
  if (plan?.state !== "open" || (types.length > 0 && !types.some((type) => (plan.held[type] ?? 0) > 0))) return null;
  const only = types.length === 0 ? [] : ["--type", ...types];
  return ["approve", district, String(plan.version), "--by", by, "--json", ...only];
}
