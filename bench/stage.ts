// One stage in a process of its own: its input is the first argument, its figures are the only line on stdout.

import { runStage, type StageInput } from "./stages.ts";

if (import.meta.main) {
  const input: StageInput = JSON.parse(process.argv[2] ?? "{}");
  const measured = await runStage(input);
  // maxRSS is in kilobytes.
  const peakMb = process.resourceUsage().maxRSS / 1024;
  console.log(JSON.stringify({ ...measured, peakMb }));
}
