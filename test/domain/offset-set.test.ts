// The set of offsets: what was added is there, its neighbours and everything outside are not.

import t from "tap";

import { OffsetSet } from "../../libs/domain/offset-set.ts";

void t.test("an offset is in the set once it was added, and its neighbours are not", (t) => {
  const from = 2 ** 40 + 3;
  const offsets = new OffsetSet({ from, to: from + 20 });
  const added = [0, 7, 8, 19];
  for (const at of added) offsets.add(from + at);
  for (let at = -9; at < 40; at++) t.equal(offsets.has(from + at), added.includes(at), `offset ${at}`);
  t.end();
});

void t.test("an offset outside the range cannot be added", (t) => {
  const offsets = new OffsetSet({ from: 10, to: 18 });
  t.throws(() => offsets.add(9));
  t.throws(() => offsets.add(18));
  t.end();
});
