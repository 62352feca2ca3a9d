// A process for run.test.ts: services that fail, work and drain as the first argument says.

import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { AppError } from "../../libs/errors.ts";
import { createLogger } from "../../libs/runtime/logger.ts";
import { defaultTimes, run, type Service } from "../../libs/runtime/run.ts";

const say = (text: string): boolean => process.stdout.write(`${text}\n`);

/** Works until told to stop, then takes a moment for the work in hand. */
const steady: Service = {
  name: "steady",
  async start({ signal }) {
    say("steady works");
    if (!signal.aborted) await once(signal, "abort");
    await sleep(50);
    say("steady drained");
  },
};

let attempts = 0;
const scenarios: Readonly<Record<string, readonly Service[]>> = {
  steady: [steady],
  flaky: [
    {
      name: "flaky",
      async start() {
        attempts += 1;
        if (attempts < 3) throw new AppError("database.unreachable", { details: { attempts } });
        say(`flaky attempt ${attempts}`);
        await sleep(1);
      },
    },
  ],
  bug: [steady, { name: "bug", start: () => Promise.reject(new Error("assertion failed: a bug")) }],
  hopeless: [{ name: "hopeless", start: () => Promise.reject(new AppError("config.invalid")) }],
  // Somebody mends it meanwhile, before the third attempt.
  mended: [
    steady,
    {
      name: "mended",
      async start() {
        attempts += 1;
        if (attempts < 3) throw new AppError("inbox.gap", { details: { attempts } });
        say("mended works");
        await sleep(1);
        process.kill(process.pid, "SIGTERM");
      },
    },
  ],
  stuck: [
    {
      name: "stuck",
      async start() {
        say("stuck works");
        await sleep(60_000);
      },
    },
  ],
  uncaught: [
    steady,
    {
      name: "uncaught",
      async start({ signal }) {
        setTimeout(() => {
          throw new TypeError("thrown where nobody waits");
        }, 20);
        await once(signal, "abort");
      },
    },
  ],
};

await run({
  name: "run-child",
  services: scenarios[process.argv[2] ?? ""] ?? [],
  logger: createLogger({ name: "run-child" }),
  close: async () => {
    await sleep(1);
    say("closed");
  },
  times: { ...defaultTimes, firstPauseMs: 5, mendingPauseMs: 20, drainMs: 500 },
});
