// Sealed values: opened by their key at their place, and by nothing else.

import { inspect } from "node:util";

import t from "tap";

import {
  isSealedWithCurrent,
  mustHaveKey,
  parseSecretKey,
  seal,
  type SecretKey,
  unseal,
} from "../../libs/adapters/sealed.ts";

const [one, other] = [Buffer.alloc(32, 1).toString("base64"), Buffer.alloc(32, 2).toString("base64")];
const place = "oak/api/secret";

function keyOf(text: string): SecretKey {
  const key = parseSecretKey(text);
  if (key === null) throw new Error("it is a key");
  return key;
}

void t.test("a key is 32 bytes in base64, or several with commas between", async (t) => {
  for (const text of [one, ` ${one}\n`, one.replace("=", ""), `${one},${other}`, `${one}, ${other}`])
    t.ok(parseSecretKey(text), text);
  const tooShort = Buffer.alloc(31).toString("base64");
  for (const text of ["", ",", tooShort, `${one}=`, `${one},`, `,${one}`, `${one},short`, "a".repeat(64), `${one}!`])
    t.equal(parseSecretKey(text), null, text);
});

void t.test("what is sealed opens again, whatever text it is, and is never the same twice", async (t) => {
  const key = keyOf(one);
  for (const text of ["", "canary", "ü \u0000 日本 😀", "x".repeat(100_000)]) {
    const sealed = seal(key, text, place);
    t.equal(unseal(key, sealed, place), text);
    t.not(seal(key, text, place).toString("hex"), sealed.toString("hex"));
    if (text !== "") t.notOk(sealed.includes(text));
  }
});

void t.test(
  "a value opens at no other place, with no other key, and not after any byte of it was changed",
  async (t) => {
    const key = keyOf(one);
    const sealed = seal(key, "canary", place);
    const refused = { code: "api.secret-key", message: /oak\/api\/|elm\/api\// };
    t.throws(() => unseal(key, sealed, "elm/api/secret"), refused);
    t.throws(() => unseal(key, sealed, "oak/api/id"), refused);
    t.throws(() => unseal(keyOf(other), sealed, place), {
      ...refused,
      message: /another key than ROLLCALL_SECRET_KEY/u,
    });
    for (let at = 0; at < sealed.length; at++) {
      const changed = Buffer.from(sealed);
      changed.writeUInt8(sealed.readUInt8(at) ^ 1, at);
      t.throws(() => unseal(key, changed, place), refused, `byte ${at}`);
    }
    for (let length = 0; length < sealed.length; length++)
      t.throws(() => unseal(key, sealed.subarray(0, length), place), refused, `${length} bytes`);
  },
);

void t.test("while the key is changed the former one opens, and the new one seals", async (t) => {
  const [before, both, after] = [keyOf(one), keyOf(`${other},${one}`), keyOf(other)];
  const old = seal(before, "canary", place);
  t.equal(unseal(both, old, place), "canary");
  t.notOk(isSealedWithCurrent(both, old, place));
  const anew = seal(both, unseal(both, old, place), place);
  t.ok(isSealedWithCurrent(both, anew, place));
  t.equal(unseal(after, anew, place), "canary");
  t.throws(() => unseal(before, anew, place), { code: "api.secret-key" });
});

void t.test("a key is in nothing that is printed, and one that is missing is told", async (t) => {
  const key = keyOf(`${one},${other}`);
  for (const text of [JSON.stringify(key), inspect(key, { depth: 9, showHidden: true })])
    for (const secret of [one, other, "0101", "0202", "01 01", "1,1"]) t.notMatch(text, secret);
  t.equal(mustHaveKey(key), key);
  t.throws(() => mustHaveKey(null), { code: "api.secret-key", message: /ROLLCALL_SECRET_KEY is not set/u });
});
