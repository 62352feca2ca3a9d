// How a command talks to the HTTP API: that of `rollcall up` on this machine, or one of its own for as long as it lasts.

import { readFile } from "node:fs/promises";
import { join } from "node:path";

import type { Address } from "../../services/ops/config.ts";
import type { ServedApi } from "../../services/ops/service.ts";
import { untilSettled } from "../../services/ops/settling.ts";
import { AppError, type ErrorCode, errorRegister } from "../errors.ts";
import { type ApiPlace, apiPlaceFile } from "../runtime/api-place.ts";
import { controlTopics } from "../topics.ts";
import { services, withServices } from "./services.ts";
import { settingsFromEnv, type System } from "./system.ts";

const probeMs = 2000;
const busySettleMs = 3000;
/** What judges logins: a command shows what follows from all that was there before it. */
const { changesets, logins, licenses, accounts } = controlTopics;
const settling = { topics: [changesets, logins, licenses, accounts].map(({ name }) => name), waitMs: 10_000 };

/** Asks an API. */
export class ApiClient {
  readonly #place: ApiPlace;

  constructor(place: ApiPlace) {
    this.#place = place;
  }

  /**
   * Sends a request and reads the answer, whose shape is that of the route's description.
   * @throws AppError with the code that the API told; `services.gone` when nobody answers.
   */
  async ask<Answer>(method: "GET" | "PUT" | "POST" | "DELETE", path: string, body?: unknown): Promise<Answer> {
    const response = await fetch(this.#place.url + path, {
      method,
      headers: {
        authorization: `Bearer ${this.#place.token}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }).catch((cause: unknown) => {
      throw new AppError("services.gone", { cause });
    });
    const text = await response.text();
    if (!response.ok) throw failureIn(text);
    const answer: Answer = JSON.parse(text);
    return answer;
  }
}

type Told = { readonly error?: { readonly code?: unknown; readonly message?: unknown } };

function failureIn(text: string): AppError {
  const { error }: Told = JSON.parse(text);
  const { code, message } = error ?? {};
  if (typeof code !== "string" || !isErrorCode(code) || typeof message !== "string") return new AppError("api.failed");
  return new AppError(code, { message });
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorRegister, code);
}

/** The path of a resource: its parts may hold anything. */
export function pathOf(...parts: readonly string[]): string {
  return parts.map((part) => `/${encodeURIComponent(part)}`).join("");
}

/** Runs work on the API of `rollcall up`, or on one in this process with the services beside it. */
export async function withApi<T>(system: System, work: (api: ApiClient) => Promise<T>): Promise<T> {
  const place = system.isUp ? await placeOfUp(settingsFromEnv().dataDir) : null;
  if (place !== null) {
    // Others keep it busy: this is a courtesy to whoever delivers and signs in right after.
    await untilSettled(system, { ...settling, waitMs: busySettleMs });
    return work(new ApiClient(place));
  }
  return withServices(system, async () => {
    const served = await serveHere(system, { host: "127.0.0.1", port: 0 });
    try {
      await untilSettled(system, settling);
      const result = await work(new ApiClient(served));
      // The services end with the command: what it set going is to arrive first.
      await untilSettled(system, settling);
      return result;
    } finally {
      await served.close();
    }
  });
}

/** Serves the API in this process. @throws AppError `api.address`. */
export async function serveHere(system: System, address: Address): Promise<ServedApi> {
  // Loaded when it is needed: a command that serves nothing starts a fifth faster without.
  const { serveApi } = await import("../../services/ops/service.ts");
  return serveApi({ ...system, serviceNames: [...services(system).map(({ name }) => name), "ops"] }, address);
}

/** Where the API of `rollcall up` is, if it answers; null when it runs on another machine or has ended. */
async function placeOfUp(dataDir: string): Promise<ApiPlace | null> {
  const text = await readFile(join(dataDir, apiPlaceFile), "utf8").catch(() => null);
  if (text === null) return null;
  try {
    const place: ApiPlace = JSON.parse(text);
    await fetch(`${place.url}/health`, { signal: AbortSignal.timeout(probeMs) });
    return place;
  } catch {
    return null;
  }
}
