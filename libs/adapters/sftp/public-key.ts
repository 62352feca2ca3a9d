// Public keys of accounts, as OpenSSH writes them. It keeps true that none is taken whose signatures can be forged.

import { createHash, createPublicKey } from "node:crypto";

import ssh2 from "ssh2";
import type { ParsedKey } from "ssh2";

const leastRsaBits = 2048;

export type PublicKey = { readonly text: string; readonly fingerprint: string; readonly comment: string };

/** A key from the line of a `.pub` file. @returns in words what is wrong with it when it cannot be taken. */
export function readPublicKey(
  line: string,
): { readonly outcome: "key"; readonly key: PublicKey } | { readonly outcome: "fault"; readonly fault: string } {
  const parsed = ssh2.utils.parseKey(line.trim());
  if (parsed instanceof Error) return { outcome: "fault", fault: "it is no public key in OpenSSH's form" };
  if (parsed.isPrivateKey())
    return { outcome: "fault", fault: "it is a private key: keep that one, and send the file that ends in .pub" };
  const fault = weakness(parsed);
  if (fault !== null) return { outcome: "fault", fault };
  const blob = parsed.getPublicSSH();
  const text = `${parsed.type} ${blob.toString("base64")}`;
  return { outcome: "key", key: { text, fingerprint: fingerprintOf(blob), comment: parsed.comment } };
}

/** As `ssh-keygen -l` prints it. */
export function fingerprintOf(blob: Uint8Array): string {
  return `SHA256:${createHash("sha256").update(blob).digest("base64").replaceAll("=", "")}`;
}

function weakness(key: ParsedKey): string | null {
  switch (key.type) {
    case "ssh-ed25519":
    case "ecdsa-sha2-nistp256":
    case "ecdsa-sha2-nistp384":
    case "ecdsa-sha2-nistp521":
      return null;
    case "ssh-rsa": {
      const bits = createPublicKey(key.getPublicPEM()).asymmetricKeyDetails?.modulusLength ?? 0;
      return bits >= leastRsaBits ? null : `an RSA key needs at least ${leastRsaBits} bits and this has ${bits}`;
    }
    case "ssh-dss":
    default:
      return `keys of type ${key.type} are not taken: use ssh-ed25519`;
  }
}

/** What a client signs to prove that it holds a key. */
export type Signed = {
  readonly algorithm: string;
  readonly data: Buffer;
  readonly hash: string | undefined;
  readonly blob: Buffer;
  readonly signature: Buffer;
};

/** Whether the signature is that of the key; SHA-1 is none. */
export function isSigned({ algorithm, data, hash, blob, signature }: Signed): boolean {
  const key = ssh2.utils.parseKey(data);
  if (key instanceof Error || key.type !== algorithm || weakness(key) !== null) return false;
  if (key.type === "ssh-rsa" && hash === undefined) return false;
  // What cannot be checked at all is told as an Error.
  return key.verify(blob, signature, hash) === true;
}
