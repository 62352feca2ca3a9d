// The rules of the house, enforced. Each is first shown a planted fault that it must catch and a look-alike that it must
// let pass; then the tree. What the linter can do by itself stands in its configuration and is planted here all the same.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { documentRules } from "./tidy/documents.ts";
import { habitRules, textRules } from "./tidy/habits.ts";
import { layerRules } from "./tidy/layers.ts";
import { lint, lintPlants } from "./tidy/lint.ts";
import type { Fault, Plant, Rule } from "./tidy/rule.ts";
import { isSource, parse, readTree, type TextFile } from "./tidy/source.ts";

const tree = readTree();
const sources = tree.filter(isSource).map(parse);
const inWords = (faults: readonly Fault[]): readonly string[] =>
  faults.map(({ path, line, what }) => `${path}:${line} ${what}`);

/** Shows the rule its plants, then the files. */
function enforce<File extends TextFile>(rule: Rule<File>, files: readonly File[], plant: (plant: Plant) => File): void {
  void t.test(rule.name, async (t) => {
    t.ok(rule.planted.length > 0, "a fault is planted");
    for (const each of rule.planted) t.ok(rule.check(plant(each)).length > 0, `catches ${each.join(": ")}`);
    for (const each of rule.allowed) t.strictSame(inWords(rule.check(plant(each))), [], `allows ${each.join(": ")}`);
    t.strictSame(inWords(files.flatMap((file) => rule.check(file))), [], "the tree is clean");
  });
}

for (const rule of [...layerRules, ...habitRules]) enforce(rule, sources, ([path, text]) => parse({ path, text }));
for (const rule of textRules) enforce(rule, tree, ([path, text]) => ({ path, text }));

for (const rule of documentRules) {
  void t.test(rule.name, async (t) => {
    t.ok(rule.planted.length > 0, "a fault is planted");
    for (const [what, planted] of rule.planted) t.ok(rule.check(planted).length > 0, `catches ${what}`);
    t.strictSame(inWords(rule.check(rule.allowed)), [], "allows what is right");
    t.strictSame(inWords(rule.check(tree)), [], "the tree is clean");
  });
}

t.test("the linter catches every planted fault and lets look-alikes pass", async (t) => {
  // Not in a folder of the project: the linter passes over what git ignores.
  const folder = mkdtempSync(join(tmpdir(), "rollcall-tidy-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const found = lint(folder, lintPlants);
  for (const [index, { rule, path, text }] of lintPlants.entries()) {
    const what = `${path}: ${text.length > 200 ? `${text.length} characters` : text}`;
    if (rule === null) t.strictSame(found[index], [], `allows ${what}`);
    else t.ok(found[index]?.includes(rule), `${rule} catches ${what}; it found ${String(found[index])}`);
  }
});
