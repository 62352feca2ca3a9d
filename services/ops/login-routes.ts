// The routes about logins: what a sign-on gateway sends, what a product's page asks, what an operator decides.

import type { FastifyInstance } from "fastify";

import { loginId } from "../../libs/adapters/postgres/people.ts";
import type { OpsContext } from "./context.ts";
import { type Guard, mayKnow } from "./guard.ts";
import { chooseSchool, decideLink, knownLogin, type LoginBody, receiveLogin, untilLookedAt } from "./logins.ts";
import { listedSchema, listLogins, loginSchema, pageSize } from "./login-views.ts";
import { answer, claim, district, list, loginStates, object, route, text, uuid, waitQuery } from "./schemas.ts";
import { waitMsOf } from "./settling.ts";

const wait = waitQuery;
const params = object({ id: uuid }, ["id"]);
type Wait = { readonly wait?: string };
type Id = { readonly id: string };

const loginBody = object(
  {
    eventId: text("The gateway's id of this event; the same one again changes nothing."),
    district: { ...district, description: "The district that was verified, where several have the issuer." },
    issuer: text("Who vouches for the subject: one of signOn.issuers of the district.", 500),
    subject: text("The issuer's stable id of the person.", 500),
    at: { type: ["integer", "string"], minimum: 0, maxLength: 40, description: "Epoch milliseconds, or ISO 8601." },
    sourcedId: claim("The person's OneRoster sourcedId."),
    userIds: list(object({ type: text("Type of id."), identifier: text("The id.") }, ["type", "identifier"]), {
      maxItems: 50,
      description: "Ids of the person in other systems.",
    }),
    username: claim("Sign-in name."),
    email: claim("Email address."),
    given: claim("Given name."),
    family: claim("Family name."),
    role: claim("Role, as the gateway calls it."),
  },
  ["eventId", "issuer", "subject", "at"],
);

export function loginRoutes(app: FastifyInstance, context: OpsContext, guard: Guard): void {
  postLogin(app, context, guard);
  getLogins(app, context, guard);
  postSchool(app, context, guard);
  postDecisions(app, context, guard);
}

function postLogin(app: FastifyInstance, context: OpsContext, guard: Guard): void {
  const schema = route({
    summary: "Someone signed in",
    roles: ["gateway"],
    querystring: object({ wait }),
    body: loginBody,
    status: 202,
    answers: loginSchema,
    errors: [422],
  });
  app.post<{ Body: LoginBody; Querystring: Wait }>(
    "/logins",
    { onRequest: guard.allow("gateway"), schema },
    async (request, reply) => {
      const principal = guard.principal(request);
      const login = await receiveLogin(context, { body: request.body, principal });
      await untilLookedAt(context, login, waitMsOf(request.query));
      return reply.code(202).send(await knownLogin(context, { id: loginId(login), principal }));
    },
  );
}

function getLogins(app: FastifyInstance, context: OpsContext, guard: Guard): void {
  const one = route({
    summary: "What became of a login, in words",
    roles: ["gateway", "product"],
    params,
    status: 200,
    answers: loginSchema,
    errors: [404],
  });
  app.get<{ Params: Id }>(
    "/logins/:id",
    { onRequest: guard.allow("gateway", "product"), schema: one },
    async (request) => knownLogin(context, { id: request.params.id, principal: guard.principal(request) }),
  );
  const query = object(
    {
      district,
      state: { type: "string", enum: [...loginStates], description: "Only logins in this state." },
      after: { ...uuid, description: "The last id of the page before." },
    },
    ["district"],
  );
  const many = route({
    summary: `Logins of a district by id, at most ${pageSize} at once`,
    roles: [],
    querystring: query,
    status: 200,
    answers: answer({ logins: list(listedSchema) }),
  });
  app.get<{ Querystring: { readonly district: string; readonly state?: string; readonly after?: string } }>(
    "/logins",
    { onRequest: guard.allow(), schema: many },
    async (request) => {
      const { district: id, state = null, after = null } = request.query;
      if (!mayKnow(guard.principal(request), id)) return { logins: [] };
      return { logins: await listLogins(context.sql, { district: id, state, after }) };
    },
  );
}

function postSchool(app: FastifyInstance, context: OpsContext, guard: Guard): void {
  const schema = route({
    summary: "The person chose a school",
    roles: ["gateway"],
    params,
    querystring: object({ wait }),
    body: object({ school: text("NCES id of the school: 12 digits, as text.", 20) }, ["school"]),
    status: 202,
    answers: loginSchema,
    errors: [404, 409, 422],
  });
  app.post<{ Params: Id; Querystring: Wait; Body: { readonly school: string } }>(
    "/logins/:id/school",
    { onRequest: guard.allow("gateway"), schema },
    async (request, reply) => {
      const about = { id: request.params.id, principal: guard.principal(request) };
      const waitMs = waitMsOf(request.query);
      await chooseSchool(context, { ...about, waitMs, school: request.body.school });
      return reply.code(202).send(await knownLogin(context, about));
    },
  );
}

function postDecisions(app: FastifyInstance, context: OpsContext, guard: Guard): void {
  const about = {
    roles: [],
    params,
    querystring: object({ wait }),
    status: 202,
    answers: loginSchema,
    errors: [404, 409, 422],
  };
  const users = list(text("sourcedId of a user of the district's roster."), { minItems: 1, maxItems: 50 });
  const link = route({ ...about, summary: "The login is these users", body: object({ users }, ["users"]) });
  const unlink = route({ ...about, summary: "The login is not whom it is linked to" });
  app.post<{ Params: Id; Querystring: Wait; Body: { readonly users: readonly string[] } }>(
    "/logins/:id/link",
    { onRequest: guard.allow(), schema: link },
    async (request, reply) => {
      const login = { id: request.params.id, principal: guard.principal(request) };
      const waitMs = waitMsOf(request.query);
      await decideLink(context, { ...login, waitMs, verdict: "link", users: request.body.users });
      return reply.code(202).send(await knownLogin(context, login));
    },
  );
  app.post<{ Params: Id; Querystring: Wait }>(
    "/logins/:id/unlink",
    { onRequest: guard.allow(), schema: unlink },
    async (request, reply) => {
      const login = { id: request.params.id, principal: guard.principal(request) };
      const waitMs = waitMsOf(request.query);
      await decideLink(context, { ...login, waitMs, verdict: "undo", users: [] });
      return reply.code(202).send(await knownLogin(context, login));
    },
  );
}
