// The routes about product accounts: make, link by proof, activate, deactivate, show.

import type { FastifyInstance } from "fastify";

import { controlTopics } from "../../libs/topics.ts";
import {
  type AccountView,
  knownAccount,
  linkAccount,
  loginNamed,
  type LoginReference,
  proofs,
  putAccount,
  setActive,
  unlinkAccount,
} from "./accounts.ts";
import type { OpsContext } from "./context.ts";
import type { Guard } from "./guard.ts";
import { answer, claim, district, object, recordId, route, text, uuid, waitQuery } from "./schemas.ts";
import { untilSettled, waitMsOf } from "./settling.ts";

type Wait = { readonly wait?: string };
type Params = { readonly account: string };

const params = object({ account: recordId("Id of the account.") }, ["account"]);
const querystring = object({ wait: waitQuery });
const words = { type: "string" };
const accountAnswer = answer({
  account: words,
  product: words,
  active: { type: "boolean" },
  link: {
    type: ["object", "null"],
    description: "The login that was proven to be its owner's.",
    properties: { login: words, district: words, proof: words, at: words },
  },
  at: { type: "string", description: "ISO 8601, UTC: when it last changed." },
});
const changed = { roles: ["accounts"] as const, status: 202, params, querystring, answers: accountAnswer };

export function accountRoutes(app: FastifyInstance, context: OpsContext, guard: Guard): void {
  getAccount(app, context, guard);
  putRoute(app, context, guard);
  linkRoutes(app, context, guard);
  activeRoutes(app, context, guard);
}

function getAccount(app: FastifyInstance, context: OpsContext, guard: Guard): void {
  const schema = route({
    summary: "An account",
    roles: ["accounts"],
    params,
    status: 200,
    answers: accountAnswer,
    errors: [404],
  });
  app.get<{ Params: Params }>("/accounts/:account", { onRequest: guard.allow("accounts"), schema }, async (request) =>
    knownAccount(context, { account: request.params.account, principal: guard.principal(request) }),
  );
}

function putRoute(app: FastifyInstance, context: OpsContext, guard: Guard): void {
  const body = object({ product: text("The product that it is an account of."), email: claim("Email address.") }, [
    "product",
  ]);
  const schema = route({
    ...changed,
    summary: "Make an account, or change its email address",
    body,
    errors: [404, 409],
  });
  app.put<{ Params: Params; Querystring: Wait; Body: { readonly product: string; readonly email?: string | null } }>(
    "/accounts/:account",
    { onRequest: guard.allow("accounts"), schema },
    async (request, reply) => {
      const asked = { account: request.params.account, principal: guard.principal(request) };
      const view = await putAccount(context, { ...asked, ...request.body });
      return reply.code(202).send(await settled(context, request.query, view));
    },
  );
}

function linkRoutes(app: FastifyInstance, context: OpsContext, guard: Guard): void {
  const proof = { type: "string", enum: [...proofs], description: "How it was proven." };
  const named = {
    district,
    issuer: text("One of signOn.issuers of the district.", 500),
    subject: text("The issuer's stable id of the person.", 500),
  };
  const body = {
    type: "object",
    oneOf: [
      object({ login: uuid, proof }, ["login", "proof"]),
      object({ ...named, proof }, ["district", "issuer", "subject", "proof"]),
    ],
  };
  const link = route({ ...changed, summary: "A login owns the account, by proof", body, errors: [404, 409, 422] });
  app.post<{ Params: Params; Querystring: Wait; Body: LoginReference & { readonly proof: string } }>(
    "/accounts/:account/link",
    { onRequest: guard.allow("accounts"), schema: link },
    async (request, reply) => {
      const principal = guard.principal(request);
      const login = await loginNamed(context, { reference: request.body, principal });
      const asked = { account: request.params.account, principal };
      const view = await linkAccount(context, { ...asked, login, proof: request.body.proof });
      return reply.code(202).send(await settled(context, request.query, view));
    },
  );
  const unlink = route({ ...changed, roles: [], summary: "Take a wrong link away", errors: [404] });
  app.post<{ Params: Params; Querystring: Wait }>(
    "/accounts/:account/unlink",
    { onRequest: guard.allow(), schema: unlink },
    async (request, reply) => {
      const asked = { account: request.params.account, principal: guard.principal(request) };
      return reply.code(202).send(await settled(context, request.query, await unlinkAccount(context, asked)));
    },
  );
}

function activeRoutes(app: FastifyInstance, context: OpsContext, guard: Guard): void {
  for (const [verb, active] of [
    ["activate", true],
    ["deactivate", false],
  ] as const) {
    const schema = route({ ...changed, summary: `${active ? "Activate" : "Deactivate"} an account`, errors: [404] });
    app.post<{ Params: Params; Querystring: Wait }>(
      `/accounts/:account/${verb}`,
      { onRequest: guard.allow("accounts"), schema },
      async (request, reply) => {
        const asked = { account: request.params.account, principal: guard.principal(request), active };
        return reply.code(202).send(await settled(context, request.query, await setActive(context, asked)));
      },
    );
  }
}

async function settled(context: OpsContext, query: Wait, view: AccountView): Promise<AccountView> {
  await untilSettled(context, { topics: [controlTopics.accounts.name], waitMs: waitMsOf(query) });
  return view;
}
