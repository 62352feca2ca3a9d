// ssh2 1.17 gives its keys to node:crypto as bytes, once per packet, which takes ten times as long as to give the same
// key ready made: a fifth of what an upload costs. So they are made ready, once per exchange of keys.
// It keeps true that nothing depends on it: with another ssh2, which has other names for them, it does nothing.

import { createSecretKey } from "node:crypto";

const holders = ["_cipher", "_decipher"];
const names = ["_encKey", "_encKeyMain", "_encKeyPktLen", "_decipherKey", "_decKeyMain", "_decKeyPktLen", "_macKey"];

/** @param client a connection of ssh2, after each handshake. */
export function readyKeys(client: object): void {
  const protocol = part(client, "_protocol");
  if (protocol === null) return;
  for (const holder of holders) {
    const cipher = part(protocol, holder);
    if (cipher === null) continue;
    for (const name of names) {
      const key: unknown = Reflect.get(cipher, name);
      if (Buffer.isBuffer(key)) Reflect.set(cipher, name, createSecretKey(key));
    }
  }
}

function part(whole: object, name: string): object | null {
  const value: unknown = Reflect.get(whole, name);
  return typeof value === "object" ? value : null;
}
