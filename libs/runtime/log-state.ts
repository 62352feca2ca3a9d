// How the log is, for health answers: whether it answers, how long something has waited to be sent to it, and which
// topics nothing can be sent to. It keeps true that the look takes two seconds at most, and that many who ask at once
// cause one look.

import { setTimeout as sleep } from "node:timers/promises";

import type { Knex } from "knex";

import type { AppError } from "../errors.ts";
import type { EventLog } from "../ports.ts";
import { controlTopics } from "../topics.ts";

const limitMs = 2_000;

type Away = "database.unreachable" | "kafka.unreachable";

export type LogState = {
  /** The code of an error when the log does not answer; null: it does. */
  readonly away: Away | null;
  /** How long the oldest record that is not in the log yet has been committed; null: all are in it, or nobody knows. */
  readonly unsentMs: number | null;
  /** What is wrong with topics, as the code of an error. */
  readonly topics: Readonly<Record<string, string>>;
};

/** Whether records reach the log: one who sends no more must not be taken for one who works. */
export function isSending({ away, topics }: Pick<LogState, "away" | "topics">): boolean {
  return away === null && Object.values(topics).every((code) => code === "topics.changed");
}

export class LogWatch {
  readonly #log: EventLog;
  readonly #sql: Knex;
  readonly #problems: () => ReadonlyMap<string, AppError>;
  readonly #away: Away;
  #looking: Promise<LogState> | undefined;

  constructor(about: {
    readonly log: EventLog;
    readonly sql: Knex;
    readonly problems: () => ReadonlyMap<string, AppError>;
    /** What it is when the log does not answer. */
    readonly away: Away;
  }) {
    this.#log = about.log;
    this.#sql = about.sql;
    this.#problems = about.problems;
    this.#away = about.away;
  }

  look(): Promise<LogState> {
    return (this.#looking ??= this.#look().finally(() => (this.#looking = undefined)));
  }

  async #look(): Promise<LogState> {
    const over = sleep(limitMs, null, { ref: false });
    const asked = this.#log.extent(controlTopics.notices.name).then(
      () => true,
      () => null,
    );
    const unsent = this.#unsentMs().catch(() => null);
    const [answered, unsentMs] = await Promise.all([Promise.race([asked, over]), Promise.race([unsent, over])]);
    const topics = Object.fromEntries([...this.#problems()].map(([topic, { code }]) => [topic, code]));
    return { away: answered === null ? this.#away : null, unsentMs, topics };
  }

  async #unsentMs(): Promise<number | null> {
    const { rows } = await this.#sql.raw<{ readonly rows: readonly { readonly ms: number | null }[] }>(
      "select (extract(epoch from clock_timestamp() - min(committed_at)) * 1000)::bigint as ms from outbox",
    );
    return rows[0]?.ms ?? null;
  }
}
