// ops: the HTTP API. It takes in logins, licenses and accounts and tells what became of logins; the command line uses it.
//
//   gateway, licensing, account service, rollcall ──HTTP──▶ sso.logins, licenses, accounts ──▶ registration
//                                          ◀── state and reason in words ── tables of people ◀──┘
//
// It keeps true that an answer 202 says: appended, and not lost whatever happens next.

import swagger from "@fastify/swagger";
import Fastify, { type FastifyInstance } from "fastify";

import { AppError } from "../../libs/errors.ts";
import { accountRoutes } from "./account-routes.ts";
import type { Address } from "./config.ts";
import type { OpsContext } from "./context.ts";
import { errorBody, failureOf } from "./failures.ts";
import { Guard } from "./guard.ts";
import { healthRoutes } from "./health.ts";
import { licenseRoutes } from "./licenses.ts";
import { loginRoutes } from "./login-routes.ts";
import { newToken } from "./tokens.ts";

const bodyLimit = 64 * 1024;

/** The API while it is served. */
export type ServedApi = {
  /** Where: `http://host:port`. */
  readonly url: string;
  /** A token with the role operator that this process knows and no database does. */
  readonly token: string;
  /** Answers the requests in hand and takes no more. Twice is harmless. */
  close(): Promise<void>;
};

/** Serves the API. @throws AppError `api.address` when it cannot listen there. */
export async function serveApi(context: OpsContext, { host, port }: Address): Promise<ServedApi> {
  const token = newToken();
  const app = await buildApi(context, new Guard(context, token));
  try {
    const url = await app.listen({ host, port });
    return { url, token, close: () => app.close() };
  } catch (cause) {
    await app.close();
    throw new AppError("api.address", { message: `opening the HTTP API on ${host}, port ${port}`, cause });
  }
}

async function buildApi(context: OpsContext, guard: Guard): Promise<FastifyInstance> {
  const app = Fastify({
    logger: false,
    bodyLimit,
    routerOptions: { maxParamLength: 255 },
    // What would be made to fit is refused: a number in place of a text is an id that lost its zeros.
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false, useDefaults: false, allowUnionTypes: true } },
  });
  app.setErrorHandler(async (thrown, request, reply) => {
    const failure = failureOf(thrown);
    const about = { request: request.id, method: request.method, route: request.routeOptions.url };
    if (failure.status >= 500) context.logger.error({ ...about, err: failure }, "request failed");
    else context.logger.debug({ ...about, code: failure.code }, "request refused");
    if (failure.status === 401) void reply.header("www-authenticate", "Bearer");
    return reply.code(failure.status).send(errorBody(failure));
  });
  app.setNotFoundHandler(async (request, reply) => {
    const path = request.url.replace(/[?#].*$/su, "").slice(0, 200);
    const failure = new AppError("api.route", { message: `there is no ${request.method} ${path}` });
    return reply.code(failure.status).send(errorBody(failure));
  });
  app.addHook("preValidation", async ({ params, query, body }) => {
    // Its tables would not take it, and whoever reads the topics need not know of it.
    if (/(?<!\\)(?:\\\\)*\\u0000/u.test(JSON.stringify([params, query, body])))
      throw new AppError("request.invalid", { message: "a text of the request holds the character U+0000" });
    await Promise.resolve();
  });
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Rollcall",
        version: "1",
        description: "Logins, licenses and accounts. An answer 202 says: appended, and not lost.",
      },
      components: { securitySchemes: { token: { type: "http", scheme: "bearer" } } },
    },
  });
  healthRoutes(app, context);
  loginRoutes(app, context, guard);
  licenseRoutes(app, context, guard);
  accountRoutes(app, context, guard);
  const described = {
    summary: "This description",
    security: [],
    response: { 200: { description: "As it is now.", type: "object", additionalProperties: true } },
  };
  app.get("/openapi.json", { schema: described }, () => app.swagger());
  await app.ready();
  return app;
}
