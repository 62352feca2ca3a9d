// What a district sent of its API, as an operator hands it on: asked for on a terminal without showing it, or read from
// stdin. Never from arguments, which every user of the machine can see.
// It keeps true that no value is repeated in a message: it may be a secret.

import { createInterface, type Interface } from "node:readline";
import { Writable } from "node:stream";
import { text as wholeText } from "node:stream/consumers";

import { AppError } from "../errors.ts";

/** A name as it was given, and its value. */
export type GivenField = { readonly name: string; readonly value: string };

const bytesMost = 100_000;

/**
 * Fields from text: JSON with texts by name, or lines `Label: value` or `name=value`. Blank lines and lines that begin with
 * `#` say nothing; bullets before a name are left out.
 * @throws AppError `usage` that names the line and not what stands in it.
 */
export function parseFields(text: string): readonly GivenField[] {
  const plain = text.replace(/^\uFEFF/u, "").trim();
  if (plain.length > bytesMost) throw new AppError("usage", { message: "that is too much to be credentials" });
  return plain.startsWith("{") ? jsonFields(plain) : plain.split(/\r\n|\r|\n/u).flatMap(lineField);
}

function jsonFields(text: string): readonly GivenField[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's own message repeats the text.
    throw new AppError("usage", { message: "the credentials begin as JSON and are not JSON" });
  }
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).map(([name, given]: [string, unknown]) => {
    if (typeof given !== "string" || given.trim() === "")
      throw new AppError("usage", { message: `the value of ${shown(name)} is no text` });
    return { name, value: given.trim() };
  });
}

function lineField(line: string, index: number): readonly GivenField[] {
  const plain = line.replace(/^[\s*•-]+/u, "").trim();
  if (plain === "" || plain.startsWith("#")) return [];
  const at = plain.search(/[:=]/u);
  const value = plain.slice(at + 1).trim();
  if (at < 1) throw new AppError("usage", { message: `line ${index + 1} is not of the form "Label: value"` });
  if (value === "") throw new AppError("usage", { message: `line ${index + 1} has no value` });
  return [{ name: plain.slice(0, at).trim(), value }];
}

const nameMost = 40;

/** A name that was given, to be said in a message; a value that stands where a name should is not. */
export function shown(name: string): string {
  return /^[\p{L}\p{N} _.()/-]+$/u.test(name) && name.length <= nameMost && !/[0-9a-f]{12}/iu.test(name)
    ? `"${name}"`
    : "a name that is not shown, because it looks like a value";
}

/** Whether a person sits at the terminal that stdin is. */
export function isAtTerminal(): boolean {
  return process.stdin.isTTY === true;
}

/** Everything that stdin has. */
export async function readStdin(): Promise<string> {
  return wholeText(process.stdin);
}

/**
 * Asks for one value after the other; what is typed is not shown. An empty answer leaves a field out.
 * @throws AppError `usage` when the input ends before the last answer.
 */
export async function askUnseen<Field extends { readonly label: string }>(
  fields: readonly Field[],
): Promise<readonly { readonly field: Field; readonly value: string }[]> {
  const unseen = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: unseen, terminal: true, historySize: 0 });
  try {
    const answers: { readonly field: Field; readonly value: string }[] = [];
    for (const field of fields) {
      process.stderr.write(`${field.label} (is not shown): `);
      const value = (await nextLine(terminal)).trim();
      process.stderr.write("\n");
      if (value !== "") answers.push({ field, value });
    }
    return answers;
  } finally {
    terminal.close();
  }
}

function nextLine(terminal: Interface): Promise<string> {
  return new Promise((resolve, reject) => {
    const ended = (): void => reject(new AppError("usage", { message: "nothing was set: the input ended" }));
    terminal.once("close", ended);
    terminal.once("line", (line) => {
      terminal.off("close", ended);
      resolve(line);
    });
  });
}
