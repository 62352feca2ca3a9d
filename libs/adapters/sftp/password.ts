// Passwords of accounts: made here, kept as scrypt hashes with their salt and costs, compared in constant time.
//
//   scrypt$<log2 of N>$<r>$<p>$<salt>$<hash>     salt and hash in base64

import { randomBytes, randomInt, scrypt, timingSafeEqual } from "node:crypto";

const costs = { logN: 15, r: 8, p: 1 } as const;
const saltBytes = 16;
const hashBytes = 32;
/** Longer ones are refused before they cost anything. */
const longestPassword = 1024;
/** Each takes 32 MB and a thread that files need too. */
const mostAtOnce = 2;
const alphabet = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
const generatedLength = 24;

type Costs = { readonly logN: number; readonly r: number; readonly p: number };

/** A new password of 139 bits, without letters that look alike. */
export function newPassword(): string {
  return Array.from({ length: generatedLength }, () => alphabet[randomInt(alphabet.length)]).join("");
}

/** The text that is kept of a password. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(saltBytes);
  const hash = await derive(password, salt, costs);
  return ["scrypt", costs.logN, costs.r, costs.p, salt.toString("base64"), hash.toString("base64")].join("$");
}

/**
 * Whether the password is the one of the text.
 * @param kept null where there is none: it takes as long, and is never true.
 */
export async function isPassword(password: string, kept: string | null): Promise<boolean> {
  const [form, logN, r, p, salt = "", hash = ""] = (kept ?? nothing).split("$");
  if (form !== "scrypt" || password.length > longestPassword) return false;
  const wanted = Buffer.from(hash, "base64");
  const found = await derive(password, Buffer.from(salt, "base64"), { logN: Number(logN), r: Number(r), p: Number(p) });
  return found.length === wanted.length && timingSafeEqual(found, wanted) && kept !== null;
}

/** Has the costs of a real one and a hash that no password is known for. */
const nothing = `scrypt$${costs.logN}$${costs.r}$${costs.p}$${"A".repeat(24)}$${"A".repeat(43)}=`;

let running = 0;
const waiting: (() => void)[] = [];

async function derive(password: string, salt: Buffer, { logN, r, p }: Costs): Promise<Buffer> {
  if (running >= mostAtOnce) await new Promise<void>((resolve) => waiting.push(resolve));
  else running++;
  try {
    return await new Promise((resolve, reject) => {
      const options = { N: 2 ** logN, r, p, maxmem: 256 * 2 ** logN * r };
      scrypt(password.normalize("NFC"), salt, hashBytes, options, (error, hash) =>
        error === null ? resolve(hash) : reject(error),
      );
    });
  } finally {
    const next = waiting.shift();
    if (next === undefined) running--;
    else next();
  }
}
