// For verbs that show what became of facts: what was delivered or changed a moment ago may still be on its way.

import { untilSettled } from "../../services/ops/settling.ts";
import { controlTopics } from "../topics.ts";
import { withServices } from "./services.ts";
import type { System } from "./system.ts";

const patienceMs = 60_000;
const { changesets, logins, licenses, accounts } = controlTopics;
const factTopics = [changesets, logins, licenses, accounts].map(({ name }) => name);

/** Runs work once everything that was there is worked off, or after a minute. @param work is told whether it is. */
export async function onSettled<T>(system: System, work: (isSettled: boolean) => Promise<T>): Promise<T> {
  return withServices(system, async () => work(await factsSettled(system)));
}

/** Waits, while services run, until everything that was there is worked off. @returns whether it is, after a minute. */
export async function factsSettled(system: System): Promise<boolean> {
  return untilSettled(system, { topics: factTopics, waitMs: patienceMs });
}

/** What to add to an answer that may be old. */
export function unsettledText(isSettled: boolean): string {
  return isSettled ? "" : "\nchanges are still being worked on: ask again in a moment";
}
