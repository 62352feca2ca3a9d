// The launcher finds its project and a Node that can run it, from wherever and however it is called.

import { chmodSync, cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import t from "tap";
import { finish } from "../support/child.ts";

const launcher = join(import.meta.dirname, "../../bin/rollcall");
const systemPath = ["/usr/bin", "/bin"].join(delimiter);

/** A project like ours whose command line prints its arguments; `nodes` are version texts of the Nodes it has. */
function project(dir: string, about: { readonly onPath: string | null; readonly fetched: boolean }): string {
  for (const folder of ["bin", "libs/cli", "node_modules", "path"]) mkdirSync(join(dir, folder), { recursive: true });
  cpSync(launcher, join(dir, "bin/rollcall"));
  writeFileSync(join(dir, "libs/cli/main.ts"), "const said: string = process.argv.slice(2).join(); console.log(said);");
  if (about.fetched) {
    mkdirSync(join(dir, ".tools/node-24.0.0/bin"), { recursive: true });
    symlinkSync(process.execPath, join(dir, ".tools/node-24.0.0/bin/node"));
  }
  // Shadows whatever Node the machine has; it answers its version and can do nothing else.
  writeFileSync(join(dir, "path/node"), about.onPath === null ? "#!/bin/sh\nexit 127\n" : fakeNode(about.onPath));
  chmodSync(join(dir, "path/node"), 0o755);
  return [join(dir, "path"), systemPath].join(delimiter);
}

const fakeNode = (version: string): string =>
  `#!/bin/sh\n[ "$1" = --version ] && echo ${version} && exit\necho ran ${version}\n`;

t.test("an old Node on the path is passed over for the one that was fetched", async (t) => {
  for (const version of ["v20.20.2", "v22.17.9", "v9.99.0", "v8.0.0"]) {
    const dir = t.testdir({});
    const PATH = project(dir, { onPath: version, fetched: true });
    const { code, stdout } = await finish([join(dir, "bin/rollcall"), "a", "b c"], { env: { PATH } });
    t.equal(code, 0, version);
    t.equal(stdout, "a,b c\n", version);
  }
});

t.test("a Node on the path that is new enough is used", async (t) => {
  for (const version of ["v22.18.0", "v24.21.0", "v100.1.0"]) {
    const dir = t.testdir({});
    const PATH = project(dir, { onPath: version, fetched: true });
    const { stdout } = await finish([join(dir, "bin/rollcall")], { env: { PATH } });
    t.equal(stdout, `ran ${version}\n`);
  }
});

t.test("without a Node that can run it the launcher says what to do", async (t) => {
  for (const onPath of [null, "v20.20.2", "nonsense"]) {
    const dir = t.testdir({});
    const PATH = project(dir, { onPath, fetched: false });
    const { code, stderr } = await finish([join(dir, "bin/rollcall")], { env: { PATH } });
    t.equal(code, 1);
    t.match(stderr, "make install");
  }
});

t.test("it can be called through links, also relative ones, from any folder", async (t) => {
  const dir = t.testdir({ elsewhere: {} });
  const PATH = project(dir, { onPath: null, fetched: true });
  symlinkSync("../bin/rollcall", join(dir, "elsewhere/first"));
  symlinkSync(join(dir, "elsewhere/first"), join(dir, "elsewhere/second"));
  const { stdout } = await finish(["./second", "x"], { env: { PATH }, cwd: join(dir, "elsewhere") });
  t.equal(stdout, "x\n");
  const byPath = [join(dir, "elsewhere"), PATH].join(delimiter);
  t.equal((await finish(["first", "y"], { env: { PATH: byPath }, cwd: dirname(dir) })).stdout, "y\n");
});
