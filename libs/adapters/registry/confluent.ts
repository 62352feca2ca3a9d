// The schema registry of a cluster: any server that speaks the Confluent interface. Subjects are named after records,
// and each holds every form that schemas/pinned has, under the rule FULL_TRANSITIVE.
// It keeps true that a writer uses the id of the form which this installation knows, not of whatever came last, and that
// schemas are registered from one place, {@link registerSchemas}, never by the way. Ids here are the server's: they need
// not be those of schemas/ids.json.

import { readFileSync } from "node:fs";
import { join } from "node:path";

import type { SchemaType } from "@kafkajs/confluent-schema-registry";

import { AppError, isAppError } from "../../errors.ts";
import type { SchemaRegistry } from "../../ports.ts";
import type { Pin } from "./repository.ts";
import { pinnedFile, readPins, repositoryRegistry, schemasDir } from "./repository.ts";

export type RegistryServer = {
  /** Where the Confluent interface begins, as `http://host:port/apis/ccompat/v7`. */
  readonly url: string;
  readonly auth?: { readonly username: string; readonly password: string };
};

/** One form of a record and what the server says of it. */
export type RegisteredForm = {
  readonly name: string;
  /** The number of the form in schemas/ids.json. */
  readonly pin: number;
  /** The server's id; null: it is not registered. */
  readonly id: number | null;
};

/** The server against schemas/. `subjects` whose rule is not FULL_TRANSITIVE are `unguarded`. */
export type RegistryState = { readonly forms: readonly RegisteredForm[]; readonly unguarded: readonly string[] };

const rule = "FULL_TRANSITIVE";
const requestLimitMs = 10_000;
const atOnce = 8;
const notFound = 404;

/**
 * The registry of a server, for the records of a folder of schemas. Nothing is asked before it is needed; what was found
 * is kept, what failed is asked again.
 * @throws AppError `registry.unpinned`; its methods also `registry.unreachable`, `registry.unregistered`.
 */
export function confluentRegistry(server: RegistryServer, folder: string = schemasDir): SchemaRegistry {
  // Also the check that the folder's schemas are what their pins say.
  repositoryRegistry(folder);
  const pins = readPins(folder);
  const client = new Client(server, folder);
  const newest = new Map(pins.map((pin) => [pin.name, pin]));
  const ids = new Kept<string, number>();
  const schemas = new Kept<number, unknown>();
  return {
    idOf: (name) =>
      ids.get(name, async () => {
        const pin = newest.get(name);
        if (pin === undefined) throw new AppError("registry.unknown-schema", { details: { schema: name } });
        const id = await client.idOf(pin);
        if (id === null) throw new AppError("registry.unregistered", { details: { schema: name } });
        return id;
      }),
    schemaOf: (id) => schemas.get(id, () => client.schemaOf(id)),
    ids: async () => {
      const found = await inTurns([...newest.keys()], (name) => client.idsOf(name));
      return [...new Set(found.flat())].toSorted((a, b) => a - b);
    },
  };
}

/** What the server has of a folder's schemas. @throws AppError `registry.unreachable`. */
export async function registryState(server: RegistryServer, folder: string = schemasDir): Promise<RegistryState> {
  const client = new Client(server, folder);
  const pins = readPins(folder);
  const forms = await inTurns(pins, async (pin) => ({ name: pin.name, pin: pin.id, id: await client.idOf(pin) }));
  const names = [...new Set(pins.map(({ name }) => name))];
  const rules = await inTurns(names, async (name) => ({ name, rule: await client.ruleOf(name) }));
  return { forms, unguarded: rules.filter((each) => each.rule !== rule).map(({ name }) => name) };
}

/**
 * Registers every pinned form that the server does not have, oldest first, each subject under the rule FULL_TRANSITIVE,
 * which is read back. Called again it changes nothing.
 * @throws AppError `registry.incompatible` with the field, as the server names it; `registry.unreachable`.
 */
export async function registerSchemas(server: RegistryServer, folder: string = schemasDir): Promise<RegistryState> {
  const client = new Client(server, folder);
  const before = await registryState(server, folder);
  const missing = new Set(before.forms.filter(({ id }) => id === null).map(({ pin }) => pin));
  const names = new Set(before.unguarded);
  // One after the other: of one subject the older form comes first, and a server gives ids in this order.
  for (const pin of readPins(folder)) {
    if (names.delete(pin.name))
      await unlessDone(
        () => client.setRule(pin.name),
        async () => (await client.ruleOf(pin.name)) === rule,
      );
    if (missing.has(pin.id))
      await unlessDone(
        () => client.register(pin),
        async () => (await client.idOf(pin)) !== null,
      );
  }
  const after = await registryState(server, folder);
  const [unguarded] = after.unguarded;
  if (unguarded !== undefined)
    throw new AppError("registry.unreachable", { message: `the registry does not keep the rule of ${unguarded}` });
  return after;
}

/** Another process may do the same at the same time: what a server then refuses to the one, it has of the other. */
async function unlessDone(work: () => Promise<void>, isDone: () => Promise<boolean>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(await isDone())) throw error;
  }
}

class Client {
  readonly #server: RegistryServer;
  readonly #folder: string;

  constructor(server: RegistryServer, folder: string) {
    this.#server = server;
    this.#folder = folder;
  }

  /** The server's id of exactly this form; null when the server does not have it. */
  async idOf(pin: Pin): Promise<number | null> {
    const answer = await this.#ask("POST", `/subjects/${encodeURIComponent(pin.name)}`, { schema: this.#text(pin) });
    return answer === null ? null : numberField(answer, "id");
  }

  async schemaOf(id: number): Promise<unknown> {
    const answer = await this.#ask("GET", `/schemas/ids/${id}`);
    if (answer === null) throw new AppError("registry.unknown-schema", { details: { schema: String(id) } });
    return parsed(textField(answer, "schema"));
  }

  async idsOf(name: string): Promise<readonly number[]> {
    const subject = `/subjects/${encodeURIComponent(name)}/versions`;
    const versions = await this.#ask("GET", subject);
    if (versions === null) return [];
    if (!Array.isArray(versions)) throw otherAnswer("a list of versions");
    const found = await Promise.all(versions.map((version) => this.#ask("GET", `${subject}/${String(version)}`)));
    return found.flatMap((each) => (each === null ? [] : [numberField(each, "id")]));
  }

  async ruleOf(name: string): Promise<string | null> {
    const answer = await this.#ask("GET", `/config/${encodeURIComponent(name)}`);
    return answer === null ? null : textField(answer, "compatibilityLevel");
  }

  async setRule(name: string): Promise<void> {
    await this.#ask("PUT", `/config/${encodeURIComponent(name)}`, { compatibility: rule });
  }

  /** The library compares the subject's rule with ours before it registers; the server checks the schema. */
  async register(pin: Pin): Promise<void> {
    const { SchemaRegistry: Library, SchemaType: types, COMPATIBILITY } = await loadLibrary();
    const { AVRO }: { readonly AVRO: SchemaType.AVRO } = types;
    const { url, auth } = this.#server;
    // Its retries are shared by all instances; ours are those of whoever calls.
    const library = new Library({ host: url, ...(auth === undefined ? {} : { auth }), retry: { retries: 1 } });
    const options = { subject: pin.name, compatibility: COMPATIBILITY.FULL_TRANSITIVE };
    try {
      await library.register({ type: AVRO, schema: this.#text(pin) }, options);
    } catch (cause) {
      throw refusal(statusOf(cause), cause instanceof Error ? cause.message : pin.name, cause);
    }
  }

  /** As it was pinned, documentation included: the same text has the same id on every server. */
  #text(pin: Pin): string {
    return JSON.stringify(JSON.parse(readFileSync(join(this.#folder, pinnedFile(pin)), "utf8")));
  }

  /** @returns null for what the server does not have. */
  async #ask(method: string, path: string, body?: object): Promise<unknown> {
    const { status, text } = await this.#send(method, path, body);
    if (status === notFound) {
      if (isMissing(parsed(text))) return null;
      throw otherAnswer("Confluent interface where SCHEMA_REGISTRY_URL leads");
    }
    if (status < 300) return parsed(text);
    throw refusal(status, text.slice(0, 500), undefined);
  }

  async #send(
    method: string,
    path: string,
    body: object | undefined,
  ): Promise<{ readonly status: number; readonly text: string }> {
    const { url, auth } = this.#server;
    const basic = auth === undefined ? "" : Buffer.from(`${auth.username}:${auth.password}`).toString("base64");
    try {
      const answer = await fetch(`${url}${path}`, {
        method,
        signal: AbortSignal.timeout(requestLimitMs),
        headers: {
          "content-type": "application/vnd.schemaregistry.v1+json",
          ...(basic === "" ? {} : { authorization: `Basic ${basic}` }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return { status: answer.status, text: await answer.text() };
    } catch (thrown) {
      // What fetch says may repeat the URL.
      throw new AppError("registry.unreachable", { details: { code: codeOf(thrown) } });
    }
  }
}

// Loaded when something is registered: it brings a quarter of a second of other formats along.
const loadLibrary = () => import("@kafkajs/confluent-schema-registry");

/** What a server's refusal means. The library tells a connection that failed as status 400. */
function refusal(status: number, message: string, cause: unknown): AppError {
  const about = cause === undefined ? { message } : { message, cause };
  if (status === 409 || status === 422) return new AppError("registry.incompatible", about);
  if (status === 401 || status === 403)
    return new AppError("config.invalid", { message: "the schema registry refuses the credentials it was given" });
  return new AppError("registry.unreachable", about);
}

function statusOf(thrown: unknown): number {
  if (isAppError(thrown)) return thrown.status;
  const status: unknown = thrown instanceof Error ? Reflect.get(thrown, "status") : 0;
  return typeof status === "number" ? status : 0;
}

function numberField(value: unknown, name: string): number {
  const field: unknown = typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
  if (typeof field !== "number") throw otherAnswer(`a number ${name}`);
  return field;
}

function textField(value: unknown, name: string): string {
  const field: unknown = typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
  if (typeof field !== "string") throw otherAnswer(`a text ${name}`);
  return field;
}

/** A Confluent interface says by a code of its own, 40401 and the like, what it does not have; 404 is a wrong path. */
function isMissing(value: unknown): boolean {
  const code: unknown = typeof value === "object" && value !== null ? Reflect.get(value, "error_code") : undefined;
  return typeof code === "number" && Math.floor(code / 100) === notFound;
}

/** What another server answers, such as one that stands before the registry. It is not repeated. */
function otherAnswer(expected: string): AppError {
  return new AppError("registry.unreachable", { message: `the registry's answer is not as expected: no ${expected}` });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw otherAnswer("JSON");
  }
}

/** What the system calls the failure of a request, as ECONNREFUSED. */
function codeOf(thrown: unknown): string {
  for (let error = thrown, depth = 0; error instanceof Error && depth < 4; error = error.cause, depth++)
    if ("code" in error && typeof error.code === "string") return error.code;
  return thrown instanceof Error ? thrown.name : "unknown";
}

/** Answers that never change, asked once; a failure is not kept. */
class Kept<Key, Answer> {
  readonly #answers = new Map<Key, Promise<Answer>>();

  get(key: Key, ask: () => Promise<Answer>): Promise<Answer> {
    const known = this.#answers.get(key);
    if (known !== undefined) return known;
    const asked = ask();
    this.#answers.set(key, asked);
    asked.catch(() => this.#answers.delete(key));
    return asked;
  }
}

/** Some at a time, results in the order of the items. */
async function inTurns<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<readonly Result[]> {
  const results: Result[] = [];
  for (let from = 0; from < items.length; from += atOnce)
    results.push(...(await Promise.all(items.slice(from, from + atOnce).map(work))));
  return results;
}
