// Opening a source's API: who signs, where it lies, and where its tokens come from, by its settings and its profile.
// It keeps true that what fails is told with all that was tried, and that of several addresses the first that answers as a
// OneRoster service does is taken.

import { baseUrls, collectionUrl, tokenUrls } from "../../domain/api/base-url.ts";
import type { Collection } from "../../domain/api/collections.ts";
import { missingFields } from "../../domain/api/credentials.ts";
import type { ApiProfile } from "../../domain/api/profile.ts";
import { scopesFor } from "../../domain/api/scopes.ts";
import type { ApiSettings } from "../../domain/api/settings.ts";
import { AppError, isAppError } from "../../errors.ts";
import { type ApiAnswer, defaultPatience, type OneRosterApi, type Patience } from "./api.ts";
import { OneRosterClient } from "./client.ts";
import { readEnvelope } from "./envelope.ts";
import { toldUrl } from "./faults.ts";
import { TokenSigner } from "./oauth2.ts";
import { ShareSigner } from "./shares.ts";
import { oauth1Signer, type Signer } from "./signer.ts";
import { Transport } from "./transport.ts";

export type ConnectOptions = {
  readonly settings: ApiSettings;
  readonly profile: ApiProfile;
  /** By name of the profile's field; for `proxy` the partner's key as `secret`. */
  readonly credentials: Readonly<Record<string, string>>;
  /** What will be read: scopes are asked for that, unless the settings name their own. */
  readonly wanted: readonly Collection[];
  /** How many requests may be under way, asked at each start. */
  readonly atOnce: () => number;
  readonly signal: AbortSignal;
  readonly patience?: Patience;
};

type Attempt = { readonly url: string; readonly error: AppError };

/**
 * Signs in, and finds the service where the base URL does not name it.
 * @throws AppError `api.credentials-missing`, `api.share`, `api.unauthorised`, `api.forbidden`, `api.unreachable`,
 * `api.redirected`, or `api.answer` when no address that was tried is a OneRoster service.
 */
export async function connect(options: ConnectOptions): Promise<OneRosterApi> {
  refuseMissing(options);
  const { signal, settings } = options;
  const patience = options.patience ?? defaultPatience;
  const transport = new Transport({ patience, signal, allowHttp: settings.allowHttp });
  try {
    return await new Finder(options, transport).find();
  } catch (error) {
    await transport.close();
    throw error;
  }
}

function refuseMissing({ settings, profile, credentials }: ConnectOptions): void {
  const names = Object.keys(credentials).filter((name) => credentials[name] !== "");
  const fields = missingFields(profile, settings.auth, names).map(({ label }) => label);
  const own = settings.auth === "proxy" && !names.includes("secret") ? ["the partner's key"] : [];
  const missing = [...fields, ...own];
  if (missing.length === 0) return;
  const message = `signing in at the source without ${missing.join(" and ")}`;
  throw new AppError("api.credentials-missing", { message, details: { missing } });
}

class Finder {
  readonly #options: ConnectOptions;
  readonly #transport: Transport;
  /** What came of a token URL: it is asked once, whatever base URLs it stands for. */
  readonly #tokens = new Map<string, TokenSigner | AppError>();

  constructor(options: ConnectOptions, transport: Transport) {
    this.#options = options;
    this.#transport = transport;
  }

  async find(): Promise<OneRosterApi> {
    const { settings, profile } = this.#options;
    const share = settings.auth === "proxy" ? await this.#share() : null;
    const within = share === null ? settings : { ...settings, baseUrl: `${settings.baseUrl}/${share.application}` };
    const bases = baseUrls(within, profile);
    const failed: Attempt[] = [];
    for (const base of bases) {
      const found = await this.#tried(base, { share, isOnly: bases.length === 1 });
      if (!(found instanceof AppError)) return found;
      failed.push({ url: base, error: found });
      if (endsSearch(found)) break;
    }
    throw failure("the OneRoster service", failed);
  }

  async #tried(
    base: string,
    about: { readonly share: Signer | null; readonly isOnly: boolean },
  ): Promise<OneRosterApi | AppError> {
    try {
      const api = this.#client(base, about.share ?? (await this.#signer(base)));
      if (about.isOnly) return api;
      const fault = faultOfProbe(await api.get(this.#probeUrl(base)));
      if (fault === null) return api;
      return new AppError("api.answer", { details: { reason: fault } });
    } catch (error) {
      if (isAppError(error)) return error;
      throw error;
    }
  }

  #client(baseUrl: string, signer: Signer): OneRosterApi {
    const headers = headersOf(this.#options);
    return new OneRosterClient({ baseUrl, transport: this.#transport, signer, atOnce: this.#options.atOnce, headers });
  }

  #probeUrl(base: string): URL {
    const url = collectionUrl(base, "orgs", this.#options.settings.version);
    url.search = "limit=1";
    return url;
  }

  async #signer(base: string): Promise<Signer> {
    const { settings, credentials } = this.#options;
    const { id = "", secret = "" } = credentials;
    return settings.auth === "oauth2"
      ? this.#tokenSigner(base)
      : oauth1Signer({ id, secret, method: settings.auth === "oauth1-sha1" ? "HMAC-SHA1" : "HMAC-SHA256" });
  }

  #share(): Promise<ShareSigner> {
    const { settings, credentials } = this.#options;
    const { secret: key = "" } = credentials;
    return ShareSigner.open(this.#transport, { proxyUrl: settings.baseUrl, key, tenant: settings.tenant ?? "" });
  }

  /** Of the first token URL that gives a token. */
  async #tokenSigner(base: string): Promise<TokenSigner> {
    const { settings, profile } = this.#options;
    const failed: Attempt[] = [];
    for (const url of tokenUrls(settings, profile, base)) {
      const known = this.#tokens.get(url) ?? (await this.#triedToken(url));
      this.#tokens.set(url, known);
      if (known instanceof TokenSigner) return known;
      failed.push({ url, error: known });
    }
    if (failed.length > 0) throw failure("a token", failed);
    const message = "signing in at the source without a token URL, which this vendor's district has to send";
    throw new AppError("api.credentials-missing", { message, details: { missing: ["Token URL"] } });
  }

  async #triedToken(text: string): Promise<TokenSigner | AppError> {
    const { settings, profile, credentials, wanted } = this.#options;
    const { id = "", secret = "" } = credentials;
    const { sends, isEncoded } = profile.token;
    const scopes = settings.scopes.length > 0 ? settings.scopes : scopesFor(settings.version, wanted);
    const url = new URL(text);
    const signer = new TokenSigner(this.#transport, { url, id, secret, scopes, sends, isEncoded });
    try {
      await signer.fetch();
      return signer;
    } catch (error) {
      if (isAppError(error)) return error;
      throw error;
    }
  }
}

/** The vendor's templates, filled; one that lacks a credential is left out. */
function headersOf({ profile, credentials }: ConnectOptions): Readonly<Record<string, string>> {
  const filled = profile.headers.flatMap(({ name, template }) => {
    const names = [...template.matchAll(/\{(\w+)\}/gu)].map(([, found = ""]) => found);
    if (names.some((each) => (credentials[each] ?? "") === "")) return [];
    return [[name.toLowerCase(), template.replace(/\{(\w+)\}/gu, (_, each: string) => credentials[each] ?? "")]];
  });
  return Object.fromEntries(filled);
}

/** null: a OneRoster service speaks. An empty object is an empty collection (oneroster.md section 4.2). */
function faultOfProbe({ status, text }: ApiAnswer): string | null {
  if (status === 404) return "it answers 404";
  return readEnvelope(text, "orgs").outcome === "items" ? null : "its answer is none of OneRoster";
}

/** Another address of the same host will not do better when the host itself does not answer. */
function endsSearch(error: AppError): boolean {
  return error.code === "api.unreachable" && error.details["status"] === undefined;
}

/**
 * One error for all that was tried. An address that is merely not there says less than one that refuses, so the first of
 * those gives the code.
 */
function failure(what: string, failed: readonly Attempt[]): AppError {
  const vague = ["api.answer", "api.redirected"];
  const told = failed.find(({ error }) => !vague.includes(error.code)) ?? failed[0];
  if (told !== undefined && failed.length === 1) return told.error;
  const tried = failed.map(
    ({ url, error }) => `${toldUrl(new URL(url))}: ${String(error.details["reason"] ?? error.message)}`,
  );
  return new AppError(told?.error.code ?? "api.answer", {
    message: `finding ${what}; tried ${tried.join("; ")}`,
    details: { ...told?.error.details, tried },
  });
}
