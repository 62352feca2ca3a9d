// A process for output.test.ts: writes more than any pipe holds.

import { endWhenOutputCloses, writeOut } from "../../libs/runtime/output.ts";

endWhenOutputCloses();
const line = `${"x".repeat(1023)}\n`;
for (let i = 0; i < 20_000; i++) await writeOut(line);
