// `rollcall records`: what stands on a topic, decoded, as JSON lines. The values are personal data.

import { setTimeout as sleep } from "node:timers/promises";

import { Command, InvalidArgumentError } from "commander";

import { AppError } from "../errors.ts";
import type { StoredRecord } from "../ports.ts";
import { writeOut } from "../runtime/output.ts";
import { described, type JsonOption, withSystem } from "./command.ts";
import { withServices } from "./services.ts";
import type { System } from "./system.ts";

const pollMs = 200;

/** A record as a line. `name` and `value` null: the record takes its key away. `at` is ISO 8601, UTC. */
export type RecordLine = {
  readonly offset: number;
  readonly at: string;
  /** The parts of the key. */
  readonly key: unknown;
  readonly name: string | null;
  readonly value: unknown;
};

type Flags = JsonOption & { readonly from?: number; readonly follow?: boolean };

export function recordsVerb(): Command {
  return described(new Command("records").argument("<topic>", "such as notices, or registrations.springfield"), {
    says: "show the records of a topic, one JSON object per line; their values may be personal data",
    example: "rollcall records notices --from 0 --follow",
  })
    .option("--from <offset>", "from this offset on; without it from the first that is kept", offset)
    .option("--follow", "go on with records as they are appended")
    .action(show);
}

function offset(text: string): number {
  if (!/^[0-9]{1,15}$/u.test(text)) throw new InvalidArgumentError("an offset is a whole number");
  return Number(text);
}

async function show(topic: string, options: Flags): Promise<void> {
  await withSystem(async (system) => {
    const first = await extentOf(system, topic);
    await withServices(system, async () => {
      for (let next = options.from ?? first.start; ;) {
        const { start, end } = await extentOf(system, topic);
        const from = Math.max(start, next);
        for await (const line of linesOf(system, { topic, generation: first.generation, from, to: end }))
          await writeOut(`${JSON.stringify(line)}\n`);
        next = Math.max(next, end);
        if (options.follow !== true) return;
        await sleep(pollMs);
      }
    });
  });
}

async function extentOf(system: System, topic: string): Promise<{ generation: string; start: number; end: number }> {
  const extent = await system.log.extent(topic);
  if (extent === null)
    throw new AppError("usage", {
      message: `there is no topic ${topic}: the README lists them, with <district> for the id of a district`,
    });
  return extent;
}

async function* linesOf(
  system: System,
  range: { readonly topic: string; readonly generation: string; readonly from: number; readonly to: number },
): AsyncGenerator<RecordLine> {
  if (range.from >= range.to) return;
  for await (const batch of system.log.scan(range)) for (const record of batch) yield lineOf(system, record);
}

function lineOf({ codec }: System, { offset: place, timestamp, key, value }: StoredRecord): RecordLine {
  const decoded = value === null ? { name: null, value: null } : codec.decode(Buffer.from(value));
  return { offset: place, at: new Date(timestamp).toISOString(), key: partsOf(key), ...decoded };
}

/** Keys are JSON arrays; what is none is shown as the text that it is. */
function partsOf(key: Uint8Array): unknown {
  const text = Buffer.from(key).toString();
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
