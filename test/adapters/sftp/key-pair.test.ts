// New key pairs can be read again, whatever their first byte is.

import t from "tap";

import { newKeyPair } from "../../../libs/adapters/sftp/key-pair.ts";
import { readPublicKey } from "../../../libs/adapters/sftp/public-key.ts";

t.test("of two thousand new keys each is read again", async (t) => {
  const faults = Array.from({ length: 2_000 }, () => readPublicKey(newKeyPair("ed25519").public)).filter(
    ({ outcome }) => outcome === "fault",
  );
  t.strictSame(faults, []);
});
