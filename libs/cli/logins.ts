// `rollcall login ...`: what the sign-on gateway does over HTTP, by hand, and what an operator decides about logins.

import { randomUUID } from "node:crypto";

import { Command, Option } from "commander";

import type { ListedLogin, LoginView } from "../../services/ops/login-views.ts";
import { loginStates } from "../../services/ops/schemas.ts";
import { districtOf } from "../adapters/postgres/districts.ts";
import { AppError } from "../errors.ts";
import { type ApiClient, pathOf, withApi } from "./api.ts";
import { knownDistrict } from "./changes.ts";
import { answer, described, type JsonOption, withSystem } from "./command.ts";
import type { System } from "./system.ts";

type Claims = {
  readonly sourcedId?: string;
  readonly username?: string;
  readonly email?: string;
  readonly given?: string;
  readonly family?: string;
  readonly role?: string;
};
type SendOptions = JsonOption &
  Claims & {
    readonly issuer?: string;
    readonly subject: string;
    readonly userId?: readonly string[];
    readonly eventId?: string;
    readonly at?: string;
  };

export function loginVerb(): Command {
  const login = new Command("login").description("sign-ons: send, show, list, school, link, unlink");
  sendVerb(login);
  described(login.command("show <id>"), {
    says: "show what became of a login",
    example: "rollcall login show 5f0c33c4-5e8c-8a61-8d5e-2f1f3f8f2b6d",
  }).action((id: string, options: JsonOption) =>
    onApi(options, (api) => api.ask<LoginView>("GET", pathOf("logins", id))),
  );
  described(login.command("list <district>"), {
    says: "list the logins of a district, with the users they may be",
    example: "rollcall login list springfield --state review",
  })
    .addOption(new Option("--state <state>", "only those in this state").choices(loginStates))
    .action(list);
  described(login.command("school <id> <nces>"), {
    says: "choose the school of a login whose district's roster names none",
    example: "rollcall login school 5f0c33c4-5e8c-8a61-8d5e-2f1f3f8f2b6d 360000100001",
  }).action(chooseSchool);
  described(login.command("link <id> <users...>"), {
    says: "say that a login is these users of the roster, who are one person",
    example: "rollcall login link 5f0c33c4-5e8c-8a61-8d5e-2f1f3f8f2b6d teacher-12",
  }).action((id: string, users: readonly string[], options: JsonOption) =>
    onApi(options, (api) => change(api, { id, what: "link", body: { users } })),
  );
  described(login.command("unlink <id>"), {
    says: "say that a login is not the person it is linked to",
    example: "rollcall login unlink 5f0c33c4-5e8c-8a61-8d5e-2f1f3f8f2b6d",
  }).action((id: string, options: JsonOption) => onApi(options, (api) => change(api, { id, what: "unlink" })));
  return login;
}

function sendVerb(login: Command): void {
  described(login.command("send <district>", { isDefault: true }), {
    says: "sign someone in, as the district's sign-on would; `send` may be left out",
    example: "rollcall login send springfield --subject 4711 --email a.teacher@springfield.example",
  })
    .requiredOption("--subject <subject>", "the issuer's stable id of the person")
    .option("--issuer <issuer>", "who vouches for the subject; without it the district's only sign-on")
    .option("--sourced-id <id>", "claim: OneRoster sourcedId")
    .option("--user-id <type=id...>", "claim: id of the person in another system")
    .option("--username <name>", "claim: sign-in name")
    .option("--email <address>", "claim: email address")
    .option("--given <name>", "claim: given name")
    .option("--family <name>", "claim: family name")
    .option("--role <role>", "claim: role")
    .option("--event-id <id>", "id of the event; without it a new one")
    .option("--at <time>", "when the person signed in, ISO 8601; without it now")
    .action(send);
}

async function send(id: string, options: SendOptions): Promise<void> {
  const userIds = (options.userId ?? []).map(userIdOf);
  await withSystem(async (system) => {
    const district = await knownDistrict(system, id);
    const { subject, sourcedId, username, email, given, family, role } = options;
    const body = {
      eventId: options.eventId ?? randomUUID(),
      district,
      issuer: options.issuer ?? (await onlyIssuer(system, district)),
      subject,
      at: options.at ?? new Date(system.clock.now()).toISOString(),
      sourcedId,
      userIds,
      username,
      email,
      given,
      family,
      role,
    };
    await withApi(system, async (api) => {
      await print(options, await api.ask<LoginView>("POST", "/logins", body));
    });
  });
}

function userIdOf(text: string): { readonly type: string; readonly identifier: string } {
  const at = text.indexOf("=");
  if (at < 1 || at === text.length - 1)
    throw new AppError("usage", { message: "a user id is written type=id, such as ldap=4711" });
  return { type: text.slice(0, at), identifier: text.slice(at + 1) };
}

async function onlyIssuer(system: System, district: string): Promise<string> {
  const issuers = (await districtOf(system.sql, district))?.policy.signOn.issuers ?? [];
  const [only, second] = issuers;
  if (only !== undefined && second === undefined) return only;
  const message =
    only === undefined
      ? `district ${district} has no sign-on yet: set signOn.issuers with rollcall district set`
      : `district ${district} has several sign-ons: name one with --issuer`;
  throw new AppError("usage", { message });
}

async function list(id: string, options: JsonOption & { readonly state?: string }): Promise<void> {
  await withSystem(async (system) => {
    const district = await knownDistrict(system, id);
    await withApi(system, async (api) => {
      const logins: ListedLogin[] = [];
      for (;;) {
        const query = new URLSearchParams({ district, ...stateOf(options) });
        const last = logins.at(-1)?.id;
        if (last !== undefined) query.set("after", last);
        const page = await api.ask<{ readonly logins: readonly ListedLogin[] }>("GET", `/logins?${query.toString()}`);
        if (page.logins.length === 0) break;
        logins.push(...page.logins);
      }
      const text = logins.length === 0 ? "no such logins" : logins.map(listedText).join("\n");
      await answer(options, { text, json: logins });
    });
  });
}

function stateOf({ state }: { readonly state?: string }): { readonly state?: string } {
  return state === undefined ? {} : { state };
}

function listedText({ id, state, reason, since, candidates }: ListedLogin): string {
  const users = candidates.length === 0 ? "" : `\t${candidates.join(", ")}`;
  return `${id}\t${state}\t${reason}\t${since}${users}`;
}

async function chooseSchool(id: string, school: string, options: JsonOption): Promise<void> {
  await withSystem((system) =>
    withApi(system, async (api) => {
      const { state } = await api.ask<LoginView>("GET", pathOf("logins", id));
      const view = await change(api, { id, what: "school", body: { school } });
      const warnings =
        state === "choose-school" ? [] : ["the school counts only while no organisation of the person is known"];
      await answer(options, { text: loginText(view), json: { ...view, warnings }, warnings });
    }),
  );
}

type Change = { readonly id: string; readonly what: "school" | "link" | "unlink"; readonly body?: object };

async function change(api: ApiClient, { id, what, body }: Change): Promise<LoginView> {
  return api.ask<LoginView>("POST", pathOf("logins", id, what), body);
}

async function onApi(options: JsonOption, work: (api: ApiClient) => Promise<LoginView>): Promise<void> {
  await withSystem((system) => withApi(system, async (api) => print(options, await work(api))));
}

async function print(options: JsonOption, view: LoginView): Promise<void> {
  await answer(options, { text: loginText(view), json: view });
}

/** A login in a few lines: its state, what to tell whom, and how it stands with each product. */
export function loginText(view: LoginView): string {
  const { id, district, state, reason, since, teacher, administrator, products, schools = [] } = view;
  return [
    `login ${id} of ${district}: ${state} (${reason}) since ${since}`,
    `  to the teacher:        ${teacher}`,
    `  to the administrator:  ${administrator}`,
    ...products.map(
      (each) => `  ${each.product}: ${each.status}${each.status === "granted" ? "" : ` (${each.reason})`}`,
    ),
    ...(schools.length === 0 ? [] : [`  to choose:  rollcall login school ${id} <nces>`]),
    ...schools.map((school) => `    ${school.identifier}  ${school.name}`),
  ].join("\n");
}
