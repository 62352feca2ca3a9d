// Verbs about sets: validate, deliver, report, sample, templates.

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { Command, InvalidArgumentError, Option } from "commander";

import { parseSourceId } from "../domain/ids.ts";
import { AppError } from "../errors.ts";
import { deliver, findDelivery, reportName } from "../ingest/deliver.ts";
import { type Report, renderReport } from "../ingest/report.ts";
import { validatePath } from "../ingest/validate.ts";
import { type Scenario, scenarios, writeSample } from "../sample/sample.ts";
import { knownDistrict } from "./changes.ts";
import { answer, described, exitCodes, type JsonOption, withSystem } from "./command.ts";
import { policyFromFile } from "./districts.ts";
import { outcomeOf, outcomeText } from "./outcome.ts";
import { withServices } from "./services.ts";
import { watchStops } from "./stops.ts";
import { templates } from "./templates.ts";

const versions = ["1.1", "1.2"] as const;
type Version = (typeof versions)[number];

export function setVerbs(): readonly Command[] {
  return [validateVerb(), deliverVerb(), reportVerb(), sampleVerb(), templatesVerb()];
}

function validateVerb(): Command {
  return described(new Command("validate").argument("<path>", "a folder or a zip"), {
    says: "judge a set as a delivery of it would be judged; needs no database",
    example: "rollcall validate export.zip --policy springfield.json",
  })
    .option("--policy <file>", "the district's policy; without it the defaults")
    .option("--all", "list every finding, not only the first thousand of each kind")
    .action(async (path: string, options: JsonOption & { readonly policy?: string; readonly all?: boolean }) => {
      const policy = await policyFromFile(options.policy);
      const keep = options.all === true ? Infinity : 1000;
      const { report } = await validatePath(path, policy, { keep });
      await answer(options, { text: renderReport(report), json: report, exitCode: exitCodeOf(report.verdict.outcome) });
    });
}

function exitCodeOf(outcome: "accepted" | "refused"): number {
  return outcome === "accepted" ? exitCodes.done : exitCodes.refused;
}

function deliverVerb(): Command {
  return described(new Command("deliver").argument("<district>").argument("<path>", "a folder or a zip"), {
    says: "hand over a set, and wait until it is published, held or refused",
    example: "rollcall deliver springfield export.zip",
  })
    .option("--source <id>", "which way of delivering this is", "files")
    .action(deliverSet);
}

async function deliverSet(id: string, path: string, options: JsonOption & { readonly source: string }): Promise<void> {
  const source = parseSourceId(options.source);
  if (source === null) throw new AppError("usage", { message: "a source id is 1 to 63 of a-z, 0-9 and -" });
  await withSystem(async (system) => {
    const district = await knownDistrict(system, id);
    const whyStopped = await watchStops(system, district);
    await withServices(system, async (signal) => {
      const { id: delivery, verdict } = await deliver(system, { district, source, path, signal });
      if (verdict.outcome === "refused") {
        const json = { delivery, outcome: "refused", reason: verdict.refusal, plan: null, changeset: null };
        const text = `${delivery}: refused: ${verdict.refusal ?? ""}\nrollcall report ${delivery} says more`;
        await answer(options, { text, json, exitCode: exitCodes.refused });
        return;
      }
      const outcome = await outcomeOf(system, { district, delivery, whyStopped });
      const exitCode = outcome.outcome === "stopped" ? exitCodes.failed : exitCodes.done;
      await answer(options, { text: outcomeText(outcome), json: outcome, exitCode });
    });
  });
}

function reportVerb(): Command {
  return described(new Command("report").argument("<delivery>", "its id, such as springfield.files.3"), {
    says: "show the report of a delivery: the outcome, and every breach of the standard",
    example: "rollcall report springfield.files.3",
  }).action(async (id: string, options: JsonOption) => {
    await withSystem(async (system) => {
      const delivery = await findDelivery(system.sql, id);
      const text = await system.landing.document(delivery.id, reportName);
      if (text === null) {
        const why =
          delivery.refusal === null ? "has no report yet" : `was refused and has no report: ${delivery.refusal}`;
        throw new AppError("delivery.unknown", { message: `the delivery ${id} ${why}` });
      }
      const report: Report = JSON.parse(text);
      await answer(options, { text: renderReport(report), json: report });
    });
  });
}

type SampleFlags = JsonOption & {
  readonly out: string;
  readonly students: number;
  readonly night: number;
  readonly seed: number;
  readonly oneroster: Version;
  readonly mode: "bulk" | "delta";
  readonly schoolYear: number;
  readonly scenario: Scenario;
  readonly after: Scenario;
};

function sampleVerb(): Command {
  return described(new Command("sample"), {
    says: "write a made-up district's set for a night, with expected.jsonl, its own ledger of what changed",
    example: "rollcall sample --students 20000 --night 2 --out night-2",
  })
    .option("--out <folder>", "where to write", "sample")
    .option("--students <n>", "how many students", wholeNumber, 200)
    .option("--night <n>", "which night, from 1", wholeNumber, 1)
    .option("--seed <n>", "another seed is another district", wholeNumber, 1)
    .option(
      "--school-year <year>",
      "the year in which it ends; by default the present one",
      wholeNumber,
      schoolYearOf(new Date()),
    )
    .addOption(new Option("--oneroster <version>", "the version of the standard").choices(versions).default("1.2"))
    .addOption(new Option("--mode <mode>", "the whole, or what changed").choices(["bulk", "delta"]).default("bulk"))
    .addOption(new Option("--scenario <name>", "what happens in this night").choices(scenarios).default("normal"))
    .addOption(new Option("--after <name>", "what happened in the night before").choices(scenarios).default("normal"))
    .action(async ({ out, oneroster, after, ...options }: SampleFlags) => {
      const { students, night, seed, mode, scenario, schoolYear } = options;
      const made = {
        directory: out,
        students,
        night,
        seed,
        version: oneroster,
        mode,
        scenario,
        schoolYear,
        previousScenario: after,
      };
      const report = await writeSample(made);
      const rows = Object.entries(report.files).map(([file, count]) => `  ${file}.csv: ${count} rows`);
      await answer(options, {
        text: [`wrote ${out}`, ...rows, `the ledger: ${report.ledger}`].join("\n"),
        json: report,
      });
    });
}

/** The school year of a day, by the year in which it ends: from July on it is the next. */
export function schoolYearOf(day: Date): number {
  const july = 6;
  return day.getUTCFullYear() + (day.getUTCMonth() >= july ? 1 : 0);
}

function wholeNumber(text: string): number {
  if (!/^[0-9]{1,9}$/u.test(text)) throw new InvalidArgumentError("It must be a whole number.");
  return Number(text);
}

type TemplateFlags = JsonOption & {
  readonly out: string;
  readonly oneroster: Version;
  readonly autoRegistration?: boolean;
};

function templatesVerb(): Command {
  return described(new Command("templates"), {
    says: "write the files of a set with their headers, to be filled in",
    example: "rollcall templates --out templates",
  })
    .option("--out <folder>", "where to write", "templates")
    .addOption(new Option("--oneroster <version>", "the version of the standard").choices(versions).default("1.2"))
    .option("--auto-registration", "with the files that automatic registration needs")
    .action(async ({ out, oneroster, autoRegistration, ...options }: TemplateFlags) => {
      const files = templates(oneroster, { autoRegistration: autoRegistration === true });
      await writeTemplates(out, files);
      const names = files.map((file) => file.name);
      await answer(options, { text: `wrote ${names.length} files to ${out}`, json: { directory: out, files: names } });
    });
}

/** @throws AppError `sample.io`. */
async function writeTemplates(out: string, files: ReturnType<typeof templates>): Promise<void> {
  try {
    await mkdir(out, { recursive: true });
    for (const { name, text } of files) await writeFile(join(out, name), text);
  } catch (cause) {
    throw new AppError("sample.io", { message: `writing the templates to ${out}`, cause });
  }
}
