// `rollcall source password|key|end-credential`: what proves an SFTP account. Several hold at once, so that the district
// can change to the new one before the old one ends.

import { readFile } from "node:fs/promises";

import { Command, InvalidArgumentError } from "commander";
import type { Knex } from "knex";

import { addCredential, type CredentialPlace, endCredentials } from "../adapters/postgres/sftp-credentials.ts";
import type { Source } from "../adapters/postgres/sources.ts";
import { hashPassword, newPassword as randomPassword } from "../adapters/sftp/password.ts";
import { AppError } from "../errors.ts";
import { answer, withSystem } from "./command.ts";
import { namedSource, type SourceOption, withSource } from "./source-option.ts";

/** A credential that was made and is to be stored. */
type NewCredential = {
  readonly text: string;
  add(sql: Knex, place: CredentialPlace): Promise<void>;
};

export function credentialVerbs(): readonly Command[] {
  return [
    withSource(new Command("password").argument("<district>"), {
      says: "make one more password of an SFTP account and print it, this once",
      example: "rollcall source password springfield --replace",
    })
      .option("--replace", "end the passwords that the account has")
      .action(password),
    withSource(new Command("key").argument("<district>").argument("<file>", "public keys in OpenSSH's form"), {
      says: "let one more public key sign in to an SFTP account",
      example: "rollcall source key springfield id_ed25519.pub",
    }).action(key),
    withSource(
      new Command("end-credential")
        .argument("<district>")
        .argument("<id>", "the number that `rollcall source show` shows", number),
      {
        says: "end a password or key of an SFTP account",
        example: "rollcall source end-credential springfield 3",
      },
    ).action(end),
  ];
}

export async function newPassword(): Promise<NewCredential> {
  const text = randomPassword();
  const secret = await hashPassword(text);
  const label = `password of ${new Date().toISOString().slice(0, 10)}`;
  return {
    text,
    add: (sql, place) => addCredential(sql, place, { kind: "password", label, fingerprint: null, secret }),
  };
}

/** @throws AppError `usage` that names the file and what is wrong with it. */
export async function newKeys(files: readonly string[]): Promise<readonly NewCredential[]> {
  const keys: NewCredential[] = [];
  for (const file of files) {
    const text = await readFile(file, "utf8").catch((cause: unknown) => {
      throw new AppError("usage", { message: `the file ${file} cannot be read`, cause });
    });
    const lines = text.split("\n").filter((line) => line.trim() !== "" && !line.startsWith("#"));
    if (lines.length === 0) throw new AppError("usage", { message: `the file ${file} has no public key` });
    const { readPublicKey } = await import("../adapters/sftp/public-key.ts");
    for (const line of lines) {
      const read = readPublicKey(line);
      if (read.outcome === "fault") throw new AppError("usage", { message: `the file ${file}: ${read.fault}` });
      const { text: secret, fingerprint } = read.key;
      const about = { kind: "key", label: file, fingerprint, secret } as const;
      keys.push({ text: fingerprint, add: (sql, place) => addCredential(sql, place, about) });
    }
  }
  return keys;
}

function number(text: string): number {
  if (!/^[1-9][0-9]{0,14}$/u.test(text)) throw new InvalidArgumentError("It is a number.");
  return Number(text);
}

async function password(id: string, options: SourceOption & { readonly replace?: boolean }): Promise<void> {
  await withSystem(async (system) => {
    const place = placeOf(await namedSource(system, id, options));
    const made = await newPassword();
    await system.sql.transaction(async (trx) => {
      if (options.replace === true) await endCredentials(trx, place, { kind: "password" });
      await made.add(trx, place);
    });
    await answer(options, { text: made.text, json: { ...place, password: made.text } });
  });
}

async function key(id: string, file: string, options: SourceOption): Promise<void> {
  const keys = await newKeys([file]);
  await withSystem(async (system) => {
    const place = placeOf(await namedSource(system, id, options));
    await system.sql.transaction(async (trx) => {
      for (const each of keys) await each.add(trx, place);
    });
    const fingerprints = keys.map(({ text }) => text);
    await answer(options, { text: `added ${fingerprints.join(", ")}`, json: { ...place, fingerprints } });
  });
}

async function end(id: string, credential: number, options: SourceOption): Promise<void> {
  await withSystem(async (system) => {
    const place = placeOf(await namedSource(system, id, options));
    const ended = await endCredentials(system.sql, place, { id: credential });
    if (ended === 0)
      throw new AppError("usage", { message: `source ${place.source} of ${id} has no credential ${credential}` });
    await answer(options, { text: `ended credential ${credential}`, json: { ...place, credential } });
  });
}

function placeOf({ district, id: source, kind }: Source): CredentialPlace {
  if (kind !== "sftp") throw new AppError("usage", { message: `source ${source} of ${district} is no SFTP account` });
  return { district, source };
}
