// The HTTP API in a test: served on a free port, asked by real requests, with what it appended read back.

import { serveApi } from "../../services/ops/service.ts";
import { createToken, type Role } from "../../services/ops/tokens.ts";
import type { Policy } from "../../libs/domain/policy.ts";
import { addDistrict, freshSystem, type TestSystem } from "./system.ts";
import type { Teardown } from "./teardown.ts";

export type Answered = { readonly status: number; readonly headers: Headers; readonly body: unknown };

export const issuer = "https://id.springfield.example";

export class TestApi {
  readonly system: TestSystem;
  readonly url: string;
  /** Of whoever serves the API. */
  readonly token: string;

  constructor(system: TestSystem, { url, token }: { readonly url: string; readonly token: string }) {
    this.system = system;
    this.url = url;
    this.token = token;
  }

  /** Sends a request, as JSON if it has a body; `token` null sends none. */
  async ask(
    line: string,
    body?: unknown,
    { token = this.token }: { readonly token?: string | null } = {},
  ): Promise<Answered> {
    const [method = "GET", path = "/"] = line.split(" ");
    const response = await fetch(this.url + path, {
      method,
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const { status, headers } = response;
    return { status, headers, body: await response.json() };
  }

  /** A new token with a role, for all districts or some. */
  async tokenOf(role: Role, districts: readonly string[] | null = null): Promise<string> {
    const name = `${role}-${districts?.join("-") ?? "all"}`;
    return createToken(this.system.sql, { name, role, districts });
  }
}

/** The API over a system of its own, with one district `springfield` whose sign-on is `issuer`. */
export async function freshApi(t: Teardown, policy: Partial<Policy> = {}): Promise<TestApi> {
  const system = await freshSystem(t);
  await addDistrict(system, "springfield", { signOn: { issuers: [issuer], userIdTypes: [] }, ...policy });
  const api = await serveApi({ ...system, serviceNames: ["ops"] }, { host: "127.0.0.1", port: 0 });
  t.teardown(() => api.close());
  return new TestApi(system, api);
}
