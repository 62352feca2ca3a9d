// `rollcall token create|list|revoke`: who may use the HTTP API. These go to the database: the first token needs none.

import { Command, Option } from "commander";

import { createToken, listTokens, revokeToken, type Role, roles, type TokenView } from "../../services/ops/tokens.ts";
import { answer, described, type JsonOption, withSystem } from "./command.ts";

type CreateOptions = JsonOption & { readonly role: Role; readonly district?: readonly string[] };

export function tokenVerb(): Command {
  const token = new Command("token").description("tokens of the HTTP API: create, list, revoke");
  described(token.command("create <name>"), {
    says: "make a token and print it, this once",
    example: "rollcall token create gateway-1 --role gateway",
  })
    .addOption(new Option("--role <role>", "what it may do").choices(roles).makeOptionMandatory())
    .option("--district <district...>", "the only districts that it may know of; without it all")
    .action(create);
  described(token.command("list"), { says: "list the tokens", example: "rollcall token list" }).action(list);
  described(token.command("revoke <name>"), {
    says: "end a token for good",
    example: "rollcall token revoke gateway-1",
  }).action(revoke);
  return token;
}

async function create(name: string, options: CreateOptions): Promise<void> {
  const { role, district: districts = null } = options;
  await withSystem(async ({ sql }) => {
    const token = await createToken(sql, { name, role, districts });
    await answer(options, { text: token, json: { name, role, districts, token } });
  });
}

async function list(options: JsonOption): Promise<void> {
  await withSystem(async ({ sql }) => {
    const tokens = await listTokens(sql);
    const text = tokens.length === 0 ? "no tokens yet" : tokens.map(tokenText).join("\n");
    await answer(options, { text, json: tokens });
  });
}

function tokenText({ name, role, districts, createdAt, revokedAt }: TokenView): string {
  const ended = revokedAt === null ? "" : `\trevoked ${revokedAt}`;
  return `${name}\t${role}\t${districts?.join(", ") ?? "all districts"}\tmade ${createdAt}${ended}`;
}

async function revoke(name: string, options: JsonOption): Promise<void> {
  await withSystem(async ({ sql }) => {
    await revokeToken(sql, name);
    await answer(options, { text: `revoked token ${name}`, json: { name } });
  });
}
