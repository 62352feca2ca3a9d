// docs/cli.md says what `--help` says: every verb with its arguments, and every option, in both directions.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import t from "tap";
import { commandLine } from "../../libs/cli/program.ts";

const root = join(import.meta.dirname, "../..");

/** By usage, such as `rollcall deliver <district> <path>`: the options as they are written, sorted. */
type Verbs = Readonly<Record<string, readonly string[]>>;

type Help = { readonly usage: string; readonly options: readonly string[]; readonly verbs: readonly string[] };

/** What a help text lists; the help itself left out, because it is the same everywhere. */
function readHelp(text: string): Help {
  const usage = /^Usage: (?<usage>.+)$/mu.exec(text)?.groups?.["usage"] ?? "";
  const listed = (title: string): readonly string[] => {
    const section = text.split("\n\n").find((part) => part.startsWith(`${title}:\n`)) ?? "";
    return [...section.matchAll(/^ {2}(?<name>\S.*?)(?: {2,}.*)?$/gmu)].map((match) => match.groups?.["name"] ?? "");
  };
  return {
    usage: usage.replace(" [options]", ""),
    options: listed("Options").filter((option) => option !== "-h, --help"),
    verbs: listed("Commands").flatMap((command) => {
      const [name = ""] = command.split(" ");
      return name === "help" ? [] : [name];
    }),
  };
}

/** The verbs at and below a command that do something by themselves. */
function verbsOf(command: Command): Verbs {
  const { usage, options, verbs } = readHelp(command.helpInformation());
  if (verbs.length === 0) return { [usage]: options.toSorted() };
  return Object.assign({}, ...command.commands.map((each) => verbsOf(each)));
}

/** A verb is a heading of third level in backquotes; its options are rows of tables that begin with one in backquotes. */
function documentedVerbs(text: string): Verbs {
  return Object.fromEntries(
    text.split(/^(?=###? )/mu).flatMap((section): readonly (readonly [string, readonly string[]])[] => {
      const usage = /^### `(?<usage>rollcall [^`]+)`/u.exec(section)?.groups?.["usage"];
      const options = [...section.matchAll(/^\| `(?<option>--[^`]+)` \|/gmu)];
      return usage === undefined ? [] : [[usage, options.map((match) => match.groups?.["option"] ?? "").toSorted()]];
    }),
  );
}

t.test("docs/cli.md has every verb and option of --help, and none beside", async (t) => {
  const documented = documentedVerbs(readFileSync(join(root, "docs/cli.md"), "utf8"));
  const verbs = verbsOf(commandLine());
  t.ok(Object.keys(verbs).length > 10, "the verbs are found");
  t.strictSame(documented, verbs);
});

t.test("a verb or option that only one of them has is noticed", async (t) => {
  const help = readHelp(
    "Usage: rollcall a [options] <b>\n\nOptions:\n  --c <d>     what\n              and more\n  -h, --help  help",
  );
  t.strictSame(help, { usage: "rollcall a <b>", options: ["--c <d>"], verbs: [] });
  t.strictSame(documentedVerbs("### `rollcall a <b>`\n\n| `--c <d>` | what |\n"), { "rollcall a <b>": ["--c <d>"] });
  t.strictSame(documentedVerbs("### `rollcall a <b>`\n\nText.\n\n## Next\n\n| `--c` | |\n"), { "rollcall a <b>": [] });
});
