// GET /health: whether database and log answer, what waits to be sent and what has stopped, in ids alone, because it asks
// for no token.

import { setTimeout as sleep } from "node:timers/promises";

import type { FastifyInstance } from "fastify";

import { isSending } from "../../libs/runtime/log-state.ts";
import type { OpsContext } from "./context.ts";
import { answer, list, route } from "./schemas.ts";

const answerLimitMs = 2000;

type Stopped = { readonly district: string | null; readonly consumer: string; readonly reason: string };

const health = answer({
  status: {
    type: "string",
    enum: ["ok", "degraded", "down"],
    description: "degraded: a district has stopped, or a topic is not as it shall be.",
  },
  log: { type: "string", description: "Which log this runs on." },
  logAnswer: { type: ["string", "null"], enum: ["ok", "unreachable", null], description: "null: nobody knows." },
  unsentMs: { type: ["integer", "null"], description: "How long the oldest record has waited to be sent to the log." },
  topics: list(answer({ topic: { type: "string" }, code: { type: "string", description: "Code of an error." } }), {
    description: "Topics to which nothing can be sent, or which others have changed.",
  }),
  database: { type: "string", enum: ["ok", "unreachable"] },
  services: list({ type: "string" }, { description: "Services of the process that answers." }),
  stopped: list(
    answer({
      district: { type: ["string", "null"] },
      consumer: { type: "string" },
      reason: { type: "string", description: "Code of an error." },
    }),
    { description: "Work that waits for a person." },
  ),
});

export function healthRoutes(app: FastifyInstance, context: OpsContext): void {
  const answers = {
    200: { description: "Database and log answer; districts may have stopped.", ...health },
    503: { description: "The database does not answer, or nothing can be sent to the log.", ...health },
  };
  const schema = route({ summary: "Whether the system works", status: 200, answers: health });
  app.get("/health", { schema: { ...schema, response: answers } }, async (_request, reply) => {
    const [stopped, state] = await Promise.all([stoppedWork(context), context.logState()]);
    const about = { log: context.log.description, services: context.serviceNames };
    if (stopped === null)
      return reply.code(503).send({
        status: "down",
        ...about,
        database: "unreachable",
        logAnswer: null,
        unsentMs: null,
        topics: [],
        stopped: [],
      });
    const topics = Object.entries(state.topics).map(([topic, code]) => ({ topic, code }));
    const status = stopped.length === 0 && topics.length === 0 && isSending(state) ? "ok" : "degraded";
    const logAnswer = state.away === null ? "ok" : "unreachable";
    const { unsentMs } = state;
    const told = { status, ...about, database: "ok", logAnswer, unsentMs, topics, stopped };
    return reply.code(isSending(state) ? 200 : 503).send(told);
  });
}

/** Work that has stopped; null when the database does not answer in time. */
async function stoppedWork({ sql, logger }: OpsContext): Promise<readonly Stopped[] | null> {
  const asked = sql("work")
    .where({ state: "stopped" })
    .orderBy("id")
    .limit(1000)
    .select("district", "consumer", "reason")
    .then((rows: readonly Stopped[]) => rows.map((row) => ({ ...row, reason: codeOf(row.reason) })))
    .catch((error: unknown) => {
      logger.warn({ err: error }, "the database does not answer");
      return null;
    });
  return Promise.race([asked, sleep(answerLimitMs, null, { ref: false })]);
}

/** A reason begins with the code of its error; what follows may name places. */
function codeOf(reason: string): string {
  return /^[a-z]+(?:\.[a-z-]+)?/u.exec(reason)?.[0] ?? "stopped";
}
