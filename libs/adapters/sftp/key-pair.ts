// New key pairs for SSH. ssh2 leaves zeros at the head of a key out, about once in 250 keys of ed25519: such a pair is none,
// and a server with it as its host key starts for nobody. It keeps true that a pair which is returned can be read again.

import ssh2 from "ssh2";

export type KeyPair = { readonly private: string; readonly public: string };

export function newKeyPair(kind: "ed25519" | "ecdsa" | "rsa"): KeyPair {
  for (;;) {
    const made = generated(kind);
    const isSound = [made.private, made.public].every((text) => !(ssh2.utils.parseKey(text) instanceof Error));
    if (isSound) return made;
  }
}

function generated(kind: "ed25519" | "ecdsa" | "rsa"): KeyPair {
  if (kind === "ed25519") return ssh2.utils.generateKeyPairSync("ed25519");
  if (kind === "ecdsa") return ssh2.utils.generateKeyPairSync("ecdsa", { bits: 256 });
  return ssh2.utils.generateKeyPairSync("rsa", { bits: 3072 });
}
