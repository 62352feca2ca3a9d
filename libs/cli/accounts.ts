// `rollcall account ...`: product accounts, as the account service would report them.

import { Command, Option } from "commander";

import { type AccountView, proofs } from "../../services/ops/accounts.ts";
import { AppError } from "../errors.ts";
import { type ApiClient, pathOf, withApi } from "./api.ts";
import { answer, described, type JsonOption, withSystem } from "./command.ts";

type LinkOptions = JsonOption & {
  readonly proof: string;
  readonly login?: string;
  readonly district?: string;
  readonly issuer?: string;
  readonly subject?: string;
};

export function accountVerb(): Command {
  const account = new Command("account").description(
    "product accounts: create, link, unlink, activate, deactivate, show",
  );
  described(account.command("create <account>"), {
    says: "make a product account, or change the email address of one",
    example: "rollcall account create reading-17 --product reading --email a.teacher@springfield.example",
  })
    .requiredOption("--product <product>", "the product that it is an account of")
    .option("--email <address>", "email address; without it that of an account stays")
    .action((id: string, options: JsonOption & { readonly product: string; readonly email?: string }) => {
      const { product, email } = options;
      return onApi(options, (api) => api.ask("PUT", pathOf("accounts", id), { product, email }));
    });
  linkVerb(account);
  const changes = {
    unlink: "take a wrong link away",
    activate: "activate an account",
    deactivate: "deactivate an account",
  };
  for (const [verb, says] of Object.entries(changes)) {
    described(account.command(`${verb} <account>`), { says, example: `rollcall account ${verb} reading-17` }).action(
      (id: string, options: JsonOption) => onApi(options, (api) => api.ask("POST", pathOf("accounts", id, verb))),
    );
  }
  described(account.command("show <account>"), {
    says: "show an account",
    example: "rollcall account show reading-17",
  }).action((id: string, options: JsonOption) => onApi(options, (api) => api.ask("GET", pathOf("accounts", id))));
  return account;
}

function linkVerb(account: Command): void {
  described(account.command("link <account>"), {
    says: "link an account to the login that was proven to be its owner's",
    example: "rollcall account link reading-17 --login 5f0c33c4-5e8c-8a61-8d5e-2f1f3f8f2b6d --proof access-code",
  })
    .addOption(new Option("--proof <proof>", "how it was proven").choices(proofs).makeOptionMandatory())
    .option("--login <id>", "the login, by its id")
    .option("--district <district>", "or the login by district, issuer and subject, even before it came")
    .option("--issuer <issuer>", "who vouches for the subject")
    .option("--subject <subject>", "the issuer's stable id of the person")
    .action(async (id: string, options: LinkOptions) => {
      const { proof } = options;
      const body = { ...loginOf(options), proof };
      await onApi(options, (api) => api.ask("POST", pathOf("accounts", id, "link"), body));
    });
}

function loginOf({ login, district, issuer, subject }: LinkOptions): object {
  const name = [district, issuer, subject];
  if (login !== undefined && name.every((part) => part === undefined)) return { login };
  if (login === undefined && !name.includes(undefined)) return { district, issuer, subject };
  throw new AppError("usage", { message: "name the login by --login, or by --district, --issuer and --subject" });
}

async function onApi(options: JsonOption, work: (api: ApiClient) => Promise<AccountView>): Promise<void> {
  await withSystem((system) =>
    withApi(system, async (api) => {
      const view = await work(api);
      await answer(options, { text: accountText(view), json: view });
    }),
  );
}

function accountText({ account, product, active, link }: AccountView): string {
  const linked =
    link === null ? "linked to no login" : `linked to login ${link.login} of ${link.district} by ${link.proof}`;
  return `account ${account} of ${product}: ${active ? "active" : "not active"}, ${linked}`;
}
