// `rollcall license put|list|seats|remove`: what may be used, by whom, from when until when.

import { Command } from "commander";

import type { LicenseView, SeatView } from "../../services/ops/license-states.ts";
import { AppError } from "../errors.ts";
import { pathOf, withApi } from "./api.ts";
import { answer, described, type JsonOption, withSystem } from "./command.ts";

type PutOptions = JsonOption & {
  readonly product: string;
  readonly org: readonly string[];
  readonly from?: string;
  readonly to?: string;
  readonly seats?: string;
};

export function licenseVerb(): Command {
  const license = new Command("license").description("licenses: put, list, seats, remove");
  described(license.command("put <license>"), {
    says: "put a license, whole: what is left out is not limited. A license of the same id is replaced, whoever put it",
    example: "rollcall license put reading-2026 --product reading --org 0600001 --to 2027-07-01 --seats 40",
  })
    .requiredOption("--product <product>", "the product that may be used")
    .requiredOption("--org <nces...>", "NCES ids: 7 digits for a district, 12 for a school")
    .option("--from <day>", "first day, YYYY-MM-DD")
    .option("--to <day>", "the day on which it has ended, YYYY-MM-DD")
    .option("--seats <count>", "how many persons may use it")
    .action(put);
  described(license.command("list"), {
    says: "list the licenses, with seats taken",
    example: "rollcall license list",
  }).action(list);
  described(license.command("seats <license>"), {
    says: "list who holds seats of a license, in the order in which they came",
    example: "rollcall license seats reading-2026",
  }).action(seats);
  described(license.command("remove <license>"), {
    says: "take a license away",
    example: "rollcall license remove reading-2026",
  }).action(remove);
  return license;
}

type Put = Omit<LicenseView, "taken"> & {
  readonly replaced: boolean;
  readonly lostOrgs: readonly string[];
  readonly settled: boolean;
};

async function put(license: string, options: PutOptions): Promise<void> {
  const { product, org: orgs, from: validFrom, to: validTo, seats } = options;
  if (seats !== undefined && !/^[0-9]{1,9}$/u.test(seats))
    throw new AppError("usage", { message: "--seats must be a whole number" });
  const body = { product, orgs, validFrom, validTo, ...(seats === undefined ? {} : { seats: Number(seats) }) };
  await withSystem((system) =>
    withApi(system, async (api) => {
      const { settled, ...view } = await api.ask<Put>("PUT", pathOf("licenses", license), body);
      const text = `license ${licenseText(view)}${replacedText(view)}${laterText(settled)}`;
      await answer(options, { text, json: view });
    }),
  );
}

async function remove(license: string, options: JsonOption): Promise<void> {
  await withSystem((system) =>
    withApi(system, async (api) => {
      const { settled } = await api.ask<{ readonly settled: boolean }>("DELETE", pathOf("licenses", license));
      await answer(options, { text: `removed license ${license}${laterText(settled)}`, json: { license } });
    }),
  );
}

function replacedText({ replaced, lostOrgs }: Pick<Put, "replaced" | "lostOrgs">): string {
  if (!replaced) return "";
  const lost = lostOrgs.length === 0 ? "" : `; it is no longer for ${lostOrgs.join(", ")}`;
  return `\n  it replaces the license that had this id${lost}`;
}

function laterText(settled: boolean): string {
  return settled ? "" : "\n  it is taken in; those whom it concerns are still being looked at";
}

async function list(options: JsonOption): Promise<void> {
  await withSystem((system) =>
    withApi(system, async (api) => {
      const { licenses } = await api.ask<{ readonly licenses: readonly LicenseView[] }>("GET", "/licenses");
      const lines = licenses.map((view) => `${licenseText(view)}, ${view.taken} taken`);
      await answer(options, { text: lines.length === 0 ? "no licenses yet" : lines.join("\n"), json: licenses });
    }),
  );
}

async function seats(license: string, options: JsonOption): Promise<void> {
  await withSystem((system) =>
    withApi(system, async (api) => {
      const told = await api.ask<{ readonly seats: readonly SeatView[] }>("GET", pathOf("licenses", license, "seats"));
      const lines = told.seats.map(
        ({ person, district, sourcedIds, since }) => `${person}\t${district}\t${since}\t${sourcedIds.join(", ")}`,
      );
      await answer(options, { text: lines.length === 0 ? "no seat is taken" : lines.join("\n"), json: told.seats });
    }),
  );
}

function licenseText({ license, product, orgs, validFrom, validTo, seats }: Omit<LicenseView, "taken">): string {
  const days = `${validFrom === null ? "" : ` from ${validFrom}`}${validTo === null ? "" : ` until ${validTo}`}`;
  return `${license}: ${product} for ${orgs.join(", ")}${days}, ${seats === null ? "any number of" : seats} ${seats === 1 ? "seat" : "seats"}`;
}
