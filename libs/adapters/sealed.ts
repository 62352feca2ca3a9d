// Values that are kept encrypted, such as credentials for the APIs of sources: AES-256-GCM under the key of
// ROLLCALL_SECRET_KEY, which is in no database.
// It keeps true that a value opens only with the key and at the place that it was sealed for: copied to another row it is
// refused, as one that was changed is.
//
//   version (1 byte) | nonce (12) | ciphertext | tag (16)
//
// To change the key: set ROLLCALL_SECRET_KEY to `<new>,<old>` and restart everything. The first seals, any of them opens.
// What is sealed with the old one is sealed anew by api-credentials.ts; then `<new>` alone is enough.

import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject, randomBytes } from "node:crypto";

import { AppError } from "../errors.ts";

/** Keys that nothing prints: neither JSON nor a log shows what is in a key object. */
export type SecretKey = {
  readonly sealing: KeyObject;
  /** Former keys, which open what they sealed. */
  readonly former: readonly KeyObject[];
};

const algorithm = "aes-256-gcm";
const version = 1;
const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;
/** 32 bytes in base64, of the standard's alphabet or that of URLs. */
const form = /^[A-Za-z0-9+/_-]{43}=?$/u;

/** One key, or several with commas between them, the one in use first. @returns null when it is none. */
export function parseSecretKey(text: string): SecretKey | null {
  const keys = text.split(",").map(keyOf);
  const [sealing = null, ...others] = keys;
  const former = others.flatMap((key) => key ?? []);
  return sealing === null || former.length < others.length ? null : { sealing, former };
}

function keyOf(text: string): KeyObject | null {
  if (!form.test(text.trim())) return null;
  const bytes = Buffer.from(text.trim(), "base64");
  return bytes.length === keyBytes ? createSecretKey(bytes) : null;
}

/** @param place where the value is kept; it opens nowhere else. */
export function seal({ sealing }: SecretKey, text: string, place: string): Buffer {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv(algorithm, sealing, nonce, { authTagLength: tagBytes });
  const head = Buffer.of(version);
  cipher.setAAD(Buffer.concat([head, Buffer.from(place)]));
  return Buffer.concat([head, nonce, cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()]);
}

/** @throws AppError `api.secret-key` when no key that is set opens it at this place. */
export function unseal(key: SecretKey, sealed: Uint8Array, place: string): string {
  if (sealed[0] !== version) throw refused(place, "is of a form that this version does not know");
  for (const each of [key.sealing, ...key.former]) {
    const text = opened(each, sealed, place);
    if (text !== null) return text;
  }
  throw refused(place, "was sealed with another key than ROLLCALL_SECRET_KEY has, or was changed since");
}

/** Whether the key in use sealed it, and not a former one. */
export function isSealedWithCurrent({ sealing }: SecretKey, sealed: Uint8Array, place: string): boolean {
  return sealed[0] === version && opened(sealing, sealed, place) !== null;
}

/** @returns null when the key does not open it. */
function opened(key: KeyObject, sealed: Uint8Array, place: string): string | null {
  const nonceEnd = 1 + nonceBytes;
  const tagFrom = sealed.length - tagBytes;
  if (tagFrom < nonceEnd) return null;
  const nonce = sealed.subarray(1, nonceEnd);
  const decipher = createDecipheriv(algorithm, key, nonce, { authTagLength: tagBytes });
  decipher.setAAD(Buffer.concat([sealed.subarray(0, 1), Buffer.from(place)]));
  decipher.setAuthTag(sealed.subarray(tagFrom));
  const bytes = decipher.update(sealed.subarray(nonceEnd, tagFrom));
  try {
    return Buffer.concat([bytes, decipher.final()]).toString("utf8");
  } catch {
    return null;
  }
}

function refused(place: string, why: string): AppError {
  return new AppError("api.secret-key", { message: `opening the credential ${place}, which ${why}` });
}

/** @throws AppError `api.secret-key` when none is set. */
export function mustHaveKey(key: SecretKey | null): SecretKey {
  if (key !== null) return key;
  throw new AppError("api.secret-key", {
    message: "credentials cannot be kept or read: ROLLCALL_SECRET_KEY is not set",
  });
}
