// Licenses over HTTP: whole states go to the topic, and what registration has taken in is shown.
// It keeps true that an id of an organisation that lost a digit is refused, never completed by a guess (A090).

import type { FastifyInstance } from "fastify";
import type { Knex } from "knex";

import { isDate } from "../../libs/domain/dates.ts";
import { isShortNcesId, isWholeNcesId } from "../../libs/domain/nces.ts";
import { AppError } from "../../libs/errors.ts";
import type { License } from "../../libs/records.ts";
import { controlKey, controlTopics } from "../../libs/topics.ts";
import type { OpsContext } from "./context.ts";
import { type Guard, requireAllDistricts } from "./guard.ts";
import { answer, list, object, route, text, waitQuery } from "./schemas.ts";
import { untilSettled, waitMsOf } from "./settling.ts";

export type LicenseView = Omit<License, "at"> & {
  /** Seats that are taken. */
  readonly taken: number;
};

type LicenseBody = {
  readonly product: string;
  readonly orgs: readonly string[];
  readonly validFrom?: string | null;
  readonly validTo?: string | null;
  readonly seats?: number | null;
};
type Wait = { readonly wait?: string };
type Params = { readonly license: string };

const params = object({ license: text("Id of the license.") }, ["license"]);
const querystring = object({ wait: waitQuery(0) });
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

export function licenseRoutes(app: FastifyInstance, context: OpsContext, guard: Guard): void {
  const onRequest = guard.allow("licensing");
  const about = { roles: ["licensing"] as const, status: 202, params, querystring };
  const put = route({
    ...about,
    summary: "Put a license: its whole state",
    body: licenseBody,
    answers: answer({ ...shown, settled: settledAnswer }),
    errors: [422],
  });
  app.put<{ Params: Params; Body: LicenseBody; Querystring: Wait }>(
    "/licenses/:license",
    { onRequest, schema: put },
    async (request, reply) => {
      requireAllDistricts(guard.principal(request));
      const license = licenseOf(request.params.license, request.body);
      await append(context, license.license, { ...license, at: context.clock.now() });
      return reply.code(202).send({ ...license, settled: await settled(context, request.query) });
    },
  );
  const remove = route({
    ...about,
    summary: "Take a license away",
    answers: answer({ license: { type: "string" }, settled: settledAnswer }),
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
  const all = route({
    summary: "All licenses, with the seats that are taken",
    roles: ["licensing"],
    status: 200,
    answers: answer({ licenses: list(answer({ ...shown, taken: { type: "integer" } })) }),
  });
  app.get("/licenses", { onRequest, schema: all }, async (request) => {
    requireAllDistricts(guard.principal(request));
    return { licenses: await listLicenses(context.sql) };
  });
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

async function append({ log, records }: OpsContext, license: string, record: License | null): Promise<void> {
  const value = record === null ? null : records.encode("rollcall.control.License", record);
  await log.transaction(async (tx) => {
    tx.append(controlTopics.licenses.name, [{ key: controlKey(license), value }]);
    await Promise.resolve();
  });
}

async function settled(context: OpsContext, query: Wait): Promise<boolean> {
  return untilSettled(context, { topics: [controlTopics.licenses.name], waitMs: waitMsOf(query, 0) });
}

async function listLicenses(sql: Knex): Promise<readonly LicenseView[]> {
  const { rows } = await sql.raw<{ readonly rows: readonly LicenseView[] }>(
    `select id as license, product, orgs, to_char(valid_from, 'YYYY-MM-DD') as "validFrom",
       to_char(valid_to, 'YYYY-MM-DD') as "validTo", seats, (select count(*) from seats s where s.license = l.id) as taken
     from licenses l order by id`,
  );
  return rows;
}
