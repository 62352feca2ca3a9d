// Whole sets and those that are not: what is missing is told by name, and half a set is never complete.

import t from "tap";

import {
  baseFiles,
  type Drop,
  type DropFile,
  judgeDrop,
  type Judgement,
  replaces,
  waitingText,
} from "../../libs/domain/drop.ts";
import { parseManifest, type ManifestResult } from "../../libs/domain/manifest.ts";
import { defaultDropSettings } from "../../libs/domain/source.ts";

const second = 1000;

function file(path: string, more: Partial<DropFile> = {}): DropFile {
  const kind = path.endsWith(".zip") ? "zip" : "known";
  return { path, state: "closed", bytes: 10, stillMs: 100 * second, kind, suggestion: null, ...more };
}

function manifest(...files: readonly string[]): ManifestResult {
  const rows = [
    "propertyName,value",
    "manifest.version,1.0",
    "oneroster.version,1.2",
    ...files.map((each) => `file.${each}`),
  ];
  return parseManifest(rows.map((text, index) => ({ line: index + 1, cells: text.split(",") })));
}

const base = baseFiles.map((name) => file(`/${name}.csv`));

function judged(files: readonly DropFile[], more: Partial<Drop> = {}): Judgement {
  const plain = { settings: defaultDropSettings, manifestOptional: true, manifest: null, hasRoleColumn: true };
  return judgeDrop({ ...plain, files, ...more });
}

const nothing = { missing: [], unfinished: [], received: [], odd: [], manifest: null };

const sets = ({ complete }: Judgement): readonly (readonly string[])[] =>
  complete.map(({ files }) => files.map(({ path }) => path));

const without = (path: string): readonly DropFile[] => base.filter((each) => each.path !== path);

t.test("a file that may be one of the set by a wrong name keeps a set without a manifest waiting (A035)", async (t) => {
  const meant = (path: string, suggestion: string): DropFile => file(path, { kind: "other", suggestion });
  const odd = [{ path: "/Manifest.csv", why: "name", suggestion: "/manifest.csv" }] as const;
  t.match(judged([...base, meant("/Manifest.csv", "manifest.csv")]), { complete: [], waiting: { odd } });
  t.match(judged([...base, meant("/role.csv", "roles.csv")]).complete, []);
  t.equal(judged([...base, meant("/users(1).csv", "users.csv")]).complete.length, 1, "that file is there");
  t.equal(judged([...base, file("/readme.txt", { kind: "other" })]).complete.length, 1, "it is near none");
  const listed = { manifest: manifest(...baseFiles.map((name) => `${name},bulk`)) };
  const set = [...base, file("/manifest.csv"), meant("/role.csv", "roles.csv")];
  t.equal(judged(set, listed).complete.length, 1, "the manifest says that it has none");
});

t.test("a set without a manifest is whole when the base files are there (A005, A034)", async (t) => {
  t.same(judged([]), { complete: [], waiting: null });
  t.same(sets(judged(base)), [base.map(({ path }) => path)]);
  t.equal(judged(base).waiting, null);
  t.match(judged(without("/users.csv")), {
    complete: [],
    waiting: { missing: ["users.csv"], unfinished: [], odd: [] },
  });
  t.match(judged(base, { hasRoleColumn: false }).waiting, { missing: ["roles.csv"] });
  t.equal(judged([...base, file("/roles.csv")], { hasRoleColumn: false }).complete.length, 1);
  t.match(judged(base, { manifestOptional: false }).waiting, { missing: ["manifest.csv"] });
  const settings = { ...defaultDropSettings, requiredFiles: ["users", "orgs"] };
  t.equal(judged(base.slice(4), { settings, hasRoleColumn: false }).complete.length, 1, "the district's own list");
});

t.test("a set with a manifest is whole when each file that it lists is there (A012)", async (t) => {
  const listed = manifest("users,bulk", "orgs,delta", "roles,absent", "nonsense,bulk");
  const files = [file("/manifest.csv"), file("/users.csv")];
  t.match(judged(files, { manifest: listed }), { complete: [], waiting: { missing: ["orgs.csv"] } });
  const whole = [...files, file("/orgs.csv")];
  t.same(sets(judged(whole, { manifest: listed })), [["/manifest.csv", "/users.csv", "/orgs.csv"]]);
  const broken = manifest("users,everything");
  t.match(judged(whole, { manifest: broken }), { complete: [], waiting: { manifest: /mode/u } }, "it says nothing");
  t.equal(judged([...base, file("/manifest.csv")], { manifest: broken }).complete.length, 1, "it will be refused");
});

t.test("what is open, torn or was just written keeps the set waiting (A036)", async (t) => {
  for (const state of ["open", "torn"] as const) {
    const found = judged([...without("/users.csv"), file("/users.csv", { state, bytes: 5 })]);
    const bytes = state === "open" ? null : 5;
    t.match(found, { complete: [], waiting: { missing: [], unfinished: [{ path: "/users.csv", state, bytes }] } });
    const told = waitingText(found.waiting ?? nothing, { district: "Oak", since: "now" });
    t.match(told, state === "open" ? /users\.csv {2}running\n/u : /users\.csv {2}5 bytes so far\n/u);
  }
  const fresh = judged([...without("/users.csv"), file("/users.csv", { stillMs: 59 * second })]);
  t.match(fresh, { complete: [], waiting: { missing: [], unfinished: [] } });
  const late = [...base, file("/users.csv.part", { kind: "other", state: "open" })];
  t.equal(judged(late).complete.length, 0, "something still comes");
  const failed = judged([...base, file("/users.csv.part", { kind: "other", state: "torn" })]);
  t.equal(failed.complete.length, 1, "a failed try is no part of the set");
  t.match(failed.waiting, { missing: [], unfinished: [{ path: "/users.csv.part" }] });
});

t.test("one file that came after its set was taken waits for the others", async (t) => {
  const taken = base.map((each) => ({ ...each, state: "taken" as const }));
  t.same(judged(taken), { complete: [], waiting: null });
  const overwritten = judged([...taken.filter(({ path }) => path !== "/users.csv"), file("/users.csv")]);
  t.equal(overwritten.complete.length, 0);
  t.equal(overwritten.waiting?.missing.length, 5);
  t.same(overwritten.waiting?.received, ["/users.csv"]);
});

t.test("wrong names, folders and formats are told, with what was meant (A035, D011, D012)", async (t) => {
  const near = file("/Users.csv", { kind: "other", suggestion: "users.csv" });
  const found = judged([...without("/users.csv"), near, file("/.DS_Store", { kind: "litter" })]);
  t.match(found, { complete: [], waiting: { missing: ["users.csv"] } });
  t.same(found.waiting?.odd, [{ path: "/Users.csv", why: "name", suggestion: "/users.csv" }]);
  const settings = { ...defaultDropSettings, path: "/roster" };
  t.same(judged([file("/users.csv")], { settings }).waiting?.odd, [
    { path: "/users.csv", why: "folder", suggestion: "/roster/users.csv" },
  ]);
  const inFolder = baseFiles.map((name) => file(`/roster/${name}.csv`));
  t.equal(judged(inFolder, { settings }).complete.length, 1);
  const zipOnly = { ...defaultDropSettings, format: "zip" } as const;
  t.match(judged(base, { settings: zipOnly }), { complete: [], waiting: { missing: [], received: [] } });
  const filesOnly = { ...defaultDropSettings, format: "files" } as const;
  t.match(judged([file("/set.zip")], { settings: filesOnly }).waiting, { odd: [{ why: "format" }] });
  const text = waitingText(found.waiting ?? nothing, { district: "Oak", since: "now" });
  const hidden = { ...nothing, unfinished: [{ path: "/a\u001b[2J.csv", state: "torn", bytes: 1 }] } as const;
  t.notMatch(waitingText(hidden, { district: "Oak", since: "now" }), "\u001b", "no name reaches a terminal as it is");
  t.match(text, /Still missing:\n {2}users\.csv/u);
  t.match(text, /\/Users\.csv {2}is not a name of OneRoster\. Did you mean \/users\.csv\?/u);
});

t.test("what is no part of a set is told as left over, and nothing as missing for it (A035)", async (t) => {
  const junk = [
    file("/export-log.txt", { kind: "other" }),
    file("/users.csv.9.tmp", { kind: "other", state: "torn", bytes: 5 }),
  ];
  for (const beside of [[], [file("/a.zip")], base]) {
    const found = judged([...junk, ...beside]);
    t.equal(found.complete.length, beside.length === 0 ? 0 : 1);
    t.match(found.waiting, { missing: [], manifest: null });
    const text = waitingText(found.waiting ?? nothing, { district: "Oak", since: "now" });
    t.match(text, /what is not used[\s\S]*Left over:\n[\s\S]* {2}\/users\.csv\.9\.tmp\n[\s\S]*delete it/u);
    t.notMatch(text, /missing|not complete/u);
  }
  const wrong = judged([file("/set.zip")], { settings: { ...defaultDropSettings, format: "files" } });
  const told = waitingText(wrong.waiting ?? nothing, { district: "Oak", since: "now" });
  t.match(told, /not complete yet/u, "a set in another form than agreed is not left over");
});

t.test("a zip is a whole set; several sets come in the order in which they became whole (C015)", async (t) => {
  const zips = [file("/b.zip", { stillMs: 200 * second }), file("/a.zip", { stillMs: 300 * second })];
  t.same(sets(judged([...zips, ...base]))[2]?.length, 6);
  t.same(sets(judged([...zips, ...base])).slice(0, 2), [["/a.zip"], ["/b.zip"]]);
  const partly = judged([file("/a.zip"), file("/users.csv")]);
  t.same(sets(partly), [["/a.zip"]]);
  t.equal(partly.waiting?.missing.length, 5, "loose files beside it wait for theirs");
  t.same(judged([file("/a.zip", { state: "open" })]).complete, []);
});

t.test("a set is replaced only by one that has all of its files in bulk", async (t) => {
  const set = (given: ManifestResult | null, ...names: readonly string[]) => ({
    manifest: given,
    names: new Set(names),
  });
  const bulk = set(manifest("users,bulk", "orgs,bulk"), "manifest", "users", "orgs");
  const delta = set(manifest("users,delta"), "manifest", "users");
  t.equal(replaces(bulk, delta), true);
  t.equal(replaces(bulk, bulk), true);
  t.equal(replaces(delta, bulk), false);
  t.equal(replaces(set(null, "users"), delta), true, "without a manifest files are bulk");
  t.equal(replaces(set(null, "users"), bulk), false, "orgs would be lost");
  t.equal(replaces(set(manifest("users,sometimes"), "users"), delta), false);
  t.equal(replaces(bulk, set(null)), false);
});
