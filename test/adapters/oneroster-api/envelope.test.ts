// What an answer is taken for: items, an empty collection, or a fault; never an empty collection by mistake.

import t from "tap";

import { parseJson, readEnvelope, withoutFirst } from "../../../libs/adapters/oneroster-api/envelope.ts";
import { nextLink } from "../../../libs/adapters/oneroster-api/link-header.ts";

t.test("items are found under any known name, and what is not understood is a fault", async (t) => {
  const cases: readonly (readonly [text: string, expected: number | RegExp])[] = [
    ['{"users":[1,2]}', 2],
    ['\uFEFF{"users":[1,2]}', 2],
    ['{"Users":[1]}', 1],
    ['{"students":[1]}', 1],
    ['{"users":[],"students":[1]}', 1],
    ["[1,null,3]", 3],
    ['{"user":{"sourcedId":"1"}}', 1],
    ['{"users":{"sourcedId":"1"}}', 1],
    ["{}", 0],
    ["[]", 0],
    ['{"users":null}', 0],
    ['{"users":[1],"statusInfoSet":[{"imsx_codeMajor":"success","imsx_severity":"warning"}]}', 1],
    ['{"users":[],"imsx_codeMajor":"failure","imsx_severity":"error"}', /an error although its status is 200/u],
    ['{"statusInfoSet":[{"codeMajor":"failure","codeMinor":"server_busy"}]}', /server_busy/u],
    ['[{"codeMajor":"failure","severity":"error"}]', /list of errors/u],
    ['{"message":"back soon"}', /has no users/u],
    ['{"data":[1]}', /an array named data/u],
    ['{"Ann O\'Neill <a@b.c>":[1]}', /an array named of another kind/u],
    ['{"users":[1,', /no whole JSON/u],
    ["null", /neither an object nor an array/u],
    ["", /no whole JSON/u],
  ];
  for (const [text, expected] of cases) {
    const read = readEnvelope(text, "users");
    if (typeof expected === "number")
      t.equal(read.outcome === "items" ? read.items.length : read.reason, expected, text);
    else t.match(read.outcome === "fault" ? read.reason : "items", expected, text);
  }
});

t.test("long numbers keep their digits", async (t) => {
  t.strictSame(parseJson('{"a":12345678901234567,"b":[1.5,-12345678901234567890],"c":"x:12345678901234567"}'), {
    a: "12345678901234567",
    b: [1.5, "-12345678901234567890"],
    c: "x:12345678901234567",
  });
});

t.test("the first item is cut out of the text, and nothing else is changed", async (t) => {
  const cases: readonly (readonly [text: string, array: string | null, expected: string | null])[] = [
    ["[1,2]", null, "[2]"],
    ["[ 1 ]", null, "[]"],
    ["[]", null, null],
    ['{"users":[{"a":"]},\\"["},12345678901234567890]}', "users", '{"users":[12345678901234567890]}'],
    ['{"n":{"users":[0]},"users" : [ [1,[2]] , 3 ],"z":"}"}', "users", '{"n":{"users":[0]},"users" : [ 3 ],"z":"}"}'],
    ['{"users":[9,9],"users":[1,2]}', "users", '{"users":[9,9],"users":[2]}'],
  ];
  for (const [text, array, expected] of cases) {
    const cut = withoutFirst(text, array);
    if (expected === null) t.equal(cut, null, text);
    else t.strictSame(parseJson(cut ?? "null"), parseJson(expected), text);
  }
});

t.test("the next link is found in every form", async (t) => {
  const from = new URL("https://sis.example/a/users?offset=0");
  const next = "https://sis.example/a/users?offset=5";
  for (const header of [
    `<${next}>; rel="next"`,
    `${next}; rel=next`,
    `</a/users?offset=5>;rel="next"`,
    `<users?offset=5>; title="a"; rel='prev NEXT'`,
    `<${next}0>; rel="last", <${next}>; rel="next"`,
  ]) {
    t.equal(nextLink(header, from)?.href, next, header);
  }
  for (const header of [undefined, "", `<${next}>`, `<${next}>; rel="last"`, `<>; rel=next`])
    t.equal(nextLink(header, from), null, header ?? "none");
});
