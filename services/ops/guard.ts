// Who may come in: every route but health and the description of the API asks for a bearer token with a role.
// It keeps true that nothing of a request's body is read before its token is known.

import { timingSafeEqual } from "node:crypto";

import type { FastifyRequest } from "fastify";

import { AppError } from "../../libs/errors.ts";
import type { OpsContext } from "./context.ts";
import { holderOf, type Principal, type Role, tokenHash } from "./tokens.ts";

export class Guard {
  readonly #context: OpsContext;
  readonly #ownHash: Buffer;
  readonly #principals = new WeakMap<FastifyRequest, Principal>();

  /** @param ownToken the token of whoever serves the API, with the role operator, stored nowhere in the database. */
  constructor(context: OpsContext, ownToken: string) {
    this.#context = context;
    this.#ownHash = tokenHash(ownToken);
  }

  /** A hook that lets in these roles, and an operator. @throws AppError `token.invalid`, `token.forbidden`. */
  allow(...roles: readonly Role[]): (request: FastifyRequest) => Promise<void> {
    return async (request) => {
      const token = /^Bearer +(?<token>[\w.~+/=-]{1,512})$/iu.exec(request.headers.authorization ?? "")?.groups?.[
        "token"
      ];
      if (token === undefined) throw new AppError("token.invalid", { message: "the request has no bearer token" });
      const principal = await this.#holderOf(token);
      if (principal === null)
        throw new AppError("token.invalid", { message: "the token was not made here, or is revoked" });
      if (principal.role !== "operator" && !roles.includes(principal.role))
        throw new AppError("token.forbidden", { message: `a token with the role ${principal.role} may not do this` });
      this.#principals.set(request, principal);
    };
  }

  async #holderOf(token: string): Promise<Principal | null> {
    if (timingSafeEqual(tokenHash(token), this.#ownHash))
      return { name: "operator on this machine", role: "operator", districts: null };
    return holderOf(this.#context.sql, token);
  }

  /** Whoever was let in with this request. */
  principal(request: FastifyRequest): Principal {
    const principal = this.#principals.get(request);
    if (principal === undefined) throw new AppError("token.invalid");
    return principal;
  }
}

/** Whether the district may be known to whoever asks. */
export function mayKnow({ districts }: Principal, district: string): boolean {
  return districts === null || districts.includes(district);
}

/** What concerns no single district is not for a token of some. @throws AppError `token.forbidden`. */
export function requireAllDistricts({ districts }: Principal): void {
  if (districts !== null)
    throw new AppError("token.forbidden", { message: "a token for some districts may not do what concerns all" });
}
