// Output into readers that stop early or read slowly, through a real shell.

import { join } from "node:path";
import t from "tap";
import { finish } from "../support/child.ts";

const program = join(import.meta.dirname, "output-child.ts");
const shell = async (script: string): ReturnType<typeof finish> =>
  await finish(["bash", "-o", "pipefail", "-c", script, "bash", process.execPath, program]);

t.test("a reader that stops after one line ends the writer quietly", async (t) => {
  const { code, stdout, stderr } = await shell('"$1" "$2" | head -n 1');
  t.equal(code, 0);
  t.equal(stdout.length, 1024);
  t.equal(stderr, "");
});

t.test("a reader that is slow gets everything", async (t) => {
  const { code, stdout } = await shell('"$1" "$2" | { sleep 0.3; wc -c; }');
  t.equal(code, 0);
  t.equal(Number(stdout), 20_000 * 1024);
});
