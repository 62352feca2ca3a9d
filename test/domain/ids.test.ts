// Ids are minted by their rules, and keys have one spelling.

import { strict as assert } from "node:assert";

import t from "tap";

import {
  deliveryId,
  entityKey,
  parseDeliveryId,
  parseDistrictId,
  parseEntityKey,
  parseSourcedId,
  parseSourceId,
  typeOfKey,
} from "../../libs/domain/ids.ts";
import { forSeeds } from "../support/seeded.ts";

t.test("districts and sources have 1 to 63 of a-z, 0-9 and -, with a letter or digit at both ends", async (t) => {
  for (const text of ["a", "7", "oak-park", "a--b", "x".repeat(63)]) {
    t.equal(parseDistrictId(text), text);
    t.equal(parseSourceId(text), text);
  }
  for (const text of ["", "-a", "a-", "A", "a.b", "a b", "a_b", "ä", "x".repeat(64), "a\n"]) {
    t.equal(parseDistrictId(text), null, JSON.stringify(text));
    t.equal(parseSourceId(text), null, JSON.stringify(text));
  }
});

t.test("a sourcedId has 1 to 255 characters, none of them a control character", async (t) => {
  for (const text of ["1", "a b", "ä/#?", '"quoted"', "x".repeat(255)]) t.equal(parseSourcedId(text), text);
  for (const text of ["", "x".repeat(256), "a\tb", "a\u0000", "\u007f", "a\nb"]) t.equal(parseSourcedId(text), null);
  t.equal(parseSourcedId("a\ud800"), "a\ufffd", "half a character cannot be written as UTF-8");
});

t.test("a delivery's id names district, source and a place counted from 1", async (t) => {
  const [district, source] = [parseDistrictId("oak"), parseSourceId("sftp-1")];
  assert(district !== null && source !== null);
  t.equal(deliveryId(district, source, 12), "oak.sftp-1.12");
  t.equal(parseDeliveryId("oak.sftp-1.12"), "oak.sftp-1.12");
  for (const text of ["oak.sftp-1", "oak.sftp-1.0", "oak.sftp-1.01", "oak.sftp-1.x", "a.b.c.1", "../x.1.1", "A.b.1"])
    t.equal(parseDeliveryId(text), null, text);
});

t.test("an entity's key is the JSON array of type and sourcedId, and nothing else is one", async (t) => {
  t.equal(entityKey("user", 'a"b'), '["user","a\\"b"]');
  t.strictSame(parseEntityKey('["user","a\\"b"]'), { type: "user", sourcedId: 'a"b' });
  for (const key of ['["writer"]', '["alias","user","old"]', '["user",7]', '"user"', "{}", "null"])
    t.equal(parseEntityKey(key), null, key);
});

t.test("the type is read off a key's bytes as parsing would give it", async (t) => {
  forSeeds(t, { runs: 300, size: 12 }, (random) => {
    const type = random.pick(["user", "users", "use", "class", "classResource", "u", "role"]);
    const id = Array.from({ length: random.size }, () => random.pick(['"', ",", "~", "é", "a", "\\", "[", " "])).join(
      "",
    );
    assert.equal(typeOfKey(Buffer.from(entityKey(type, id))), type);
  });
  for (const key of ['["writer"]', '["changeset"]', '["user"]', "[]", ""])
    t.equal(typeOfKey(Buffer.from(key)), null, key);
});
