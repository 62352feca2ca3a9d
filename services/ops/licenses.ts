// Licenses over HTTP: whole states go to the topic, and what registration has taken in is shown.
// It keeps true that an id of an organisation that lost a digit is refused, never completed by a guess (A090).

import type { FastifyInstance } from "fastify";

import { isDate } from "../../libs/domain/dates.ts";
import { isShortNcesId, isWholeNcesId } from "../../libs/domain/nces.ts";
import { AppError } from "../../libs/errors.ts";
import type { License } from "../../libs/records.ts";
import { controlKey, controlTopics } from "../../libs/topics.ts";
import type { OpsContext } from "./context.ts";
import { type Guard, requireAllDistricts } from "./guard.ts";
import { type LicenseState, listLicenses, listSeats, newestLicense } from "./license-states.ts";
import { answer, list, object, recordId, route, text, waitQuery } from "./schemas.ts";
import { untilSettled, waitMsOf } from "./settling.ts";

type LicenseBody = {
  readonly product: string;
  readonly orgs: readonly string[];
  readonly validFrom?: string | null;
  readonly validTo?: string | null;
  readonly seats?: number | null;
};
type Wait = { readonly wait?: string };
type Params = { readonly license: string };

const params = object({ license: recordId("Id of the license.") }, ["license"]);
const querystring = object({ wait: waitQuery });
const day = (description: string) => ({ type: ["string", "null"], maxLength: 20, description });
const seatCount = { type: ["integer", "null"], minimum: 0, maximum: 1e9, description: "null: as many as come." };

const licenseBody = object(
  {
    product: text("The product that may be used."),
    orgs: list(text("NCES id, as text: 7 digits for a district, 12 for a school.", 20), {
      minItems: 1,
      maxItems: 2000,
    }),
    validFrom: day("First day, YYYY-MM-DD, in the district's own time; null: always."),
    validTo: day("The day on which it has ended; null: never."),
    seats: seatCount,
  },
  ["product", "orgs"],
);

const shown = {
  license: { type: "string" },
  product: { type: "string" },
  orgs: list({ type: "string" }),
  validFrom: { type: ["string", "null"] },
  validTo: { type: ["string", "null"] },
  seats: { type: ["integer", "null"] },
};
const settledAnswer = {
  type: "boolean",
  description: "Whether it was waited for and everyone concerned was looked at.",
};
const putAnswer = answer({
  ...shown,
  replaced: { type: "boolean", description: "Whether there was a license of this id: ids are the same for all." },
  lostOrgs: list({ type: "string" }, { description: "Organisations that it had before and has no longer." }),
  settled: settledAnswer,
});

export function licenseRoutes(app: FastifyInstance, context: OpsContext, guard: Guard): void {
  changeRoutes(app, context, guard);
  showRoutes(app, context, guard);
}

function changeRoutes(app: FastifyInstance, context: OpsContext, guard: Guard): void {
  const onRequest = guard.allow("licensing");
  const about = { roles: ["licensing"] as const, status: 202, params, querystring };
  const put = route({
    ...about,
    summary: "Put a license: its whole state, in place of what has its id",
    body: licenseBody,
    answers: putAnswer,
    errors: [422],
  });
  app.put<{ Params: Params; Body: LicenseBody; Querystring: Wait }>(
    "/licenses/:license",
    { onRequest, schema: put },
    async (request, reply) => {
      requireAllDistricts(guard.principal(request));
      const license = licenseOf(request.params.license, request.body);
      const before = await append(context, license.license, { ...license, at: context.clock.now() });
      const lostOrgs = (before?.orgs ?? []).filter((org) => !license.orgs.includes(org));
      const done = { ...license, replaced: before !== null, lostOrgs };
      return reply.code(202).send({ ...done, settled: await settled(context, request.query) });
    },
  );
  const remove = route({
    ...about,
    summary: "Take a license away",
    answers: answer({ license: { type: "string" }, settled: settledAnswer }),
    errors: [404],
  });
  app.delete<{ Params: Params; Querystring: Wait }>(
    "/licenses/:license",
    { onRequest, schema: remove },
    async (request, reply) => {
      requireAllDistricts(guard.principal(request));
      const { license } = request.params;
      await append(context, license, null);
      return reply.code(202).send({ license, settled: await settled(context, request.query) });
    },
  );
}

function showRoutes(app: FastifyInstance, context: OpsContext, guard: Guard): void {
  const all = route({
    summary: "All licenses, with the seats that are taken",
    roles: ["licensing"],
    status: 200,
    answers: answer({ licenses: list(answer({ ...shown, taken: { type: "integer" } })) }),
  });
  app.get("/licenses", { onRequest: guard.allow("licensing"), schema: all }, async (request) => {
    requireAllDistricts(guard.principal(request));
    return { licenses: await listLicenses(context.sql) };
  });
  const words = { type: "string" };
  const seat = answer({
    person: words,
    district: words,
    sourcedIds: list(words),
    since: { type: "string", description: "ISO 8601, UTC." },
  });
  const seats = route({
    summary: "Who holds seats of a license, in the order in which they came",
    roles: [],
    params,
    status: 200,
    answers: answer({ license: words, seats: list(seat) }),
    errors: [404],
  });
  app.get<{ Params: Params }>(
    "/licenses/:license/seats",
    { onRequest: guard.allow(), schema: seats },
    async (request) => {
      requireAllDistricts(guard.principal(request));
      const { license } = request.params;
      if ((await newestLicense(context, context.sql, license)) === null) throw unknownLicense(license);
      return { license, seats: await listSeats(context.sql, license) };
    },
  );
}

function unknownLicense(license: string): AppError {
  return new AppError("license.unknown", { message: `there is no license ${license}` });
}

function licenseOf(license: string, body: LicenseBody): Omit<License, "at"> {
  const { product, orgs, validFrom = null, validTo = null, seats = null } = body;
  for (const org of orgs) {
    if (isShortNcesId(org))
      throw new AppError("license.org", {
        message: `${org} lacks a digit of an NCES id: most likely a spreadsheet took a leading zero away`,
      });
    if (!isWholeNcesId(org))
      throw new AppError("license.org", { message: "an organisation is not named by an NCES id" });
  }
  const days = [validFrom, validTo].flatMap((date) => date ?? []);
  if (!days.every(isDate))
    throw new AppError("license.validity", { message: "validFrom and validTo must be days written YYYY-MM-DD" });
  if (validFrom !== null && validTo !== null && validFrom >= validTo)
    throw new AppError("license.validity", { message: "validFrom must lie before validTo" });
  return { license, product, orgs: [...new Set(orgs)], validFrom, validTo, seats };
}

/**
 * Appends a license, or that it is taken away; changes to one license take turns.
 * @returns what it was before, null when there was none.
 * @throws AppError `license.unknown` when one that is not there is to be taken away.
 */
async function append(context: OpsContext, license: string, record: License | null): Promise<LicenseState | null> {
  const value = record === null ? null : context.records.encode("rollcall.control.License", record);
  return context.log.transaction(async (tx) => {
    await tx.sql.raw("select pg_advisory_xact_lock(hashtextextended(?, 0))", [controlKey("license", license)]);
    const before = await newestLicense(context, tx.sql, license);
    if (record === null && before === null) throw unknownLicense(license);
    tx.append(controlTopics.licenses.name, [{ key: controlKey(license), value }]);
    return before;
  });
}

async function settled(context: OpsContext, query: Wait): Promise<boolean> {
  return untilSettled(context, { topics: [controlTopics.licenses.name], waitMs: waitMsOf(query) });
}
