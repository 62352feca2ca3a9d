// How services are kept running and how their process ends, tried on real processes.

import { join } from "node:path";
import t from "tap";
import { defaultTimes, pauseMs } from "../../libs/runtime/run.ts";
import { finish, start, type Child } from "../support/child.ts";

const program = join(import.meta.dirname, "run-child.ts");
const starting = (scenario: string): Child => start([process.execPath, program, scenario]);

t.test("pauses double up to the longest, and chance takes at most half away", async (t) => {
  for (const [failures, chance, expected] of [
    [1, 0, 125],
    [1, 1, 250],
    [2, 1, 500],
    [4, 0.5, 1500],
    [8, 1, 30_000],
    [1000, 0, 15_000],
  ] as const) {
    t.equal(pauseMs(failures, defaultTimes, chance), expected, `failure ${failures}, chance ${chance}`);
  }
});

t.test("a retryable error starts the service again, and services that resolve end the process with 0", async (t) => {
  const { code, stdout, stderr } = await finish([process.execPath, program, "flaky"]);
  t.equal(code, 0);
  t.equal(stdout, "flaky attempt 3\nclosed\n");
  const warnings = stderr.split("\n").filter((line) => line.includes('"level":"warn"'));
  t.equal(warnings.length, 2);
  t.match(warnings[1], /"code":"database.unreachable".*"attempts":2.*"failures":2/u);
});

t.test("a bug in one service drains the others, closes, and ends with 1", async (t) => {
  const { code, stdout, stderr } = await finish([process.execPath, program, "bug"]);
  t.equal(code, 1);
  t.equal(stdout, "steady works\nsteady drained\nclosed\n");
  t.match(stderr, /"level":"fatal".*assertion failed: a bug.*"service":"bug"/u);
});

t.test("what a person must mend stops one service, says how, and is tried again while the others work", async (t) => {
  const { code, stdout, stderr } = await finish([process.execPath, program, "mended"]);
  t.equal(code, 0);
  t.equal(stdout, "steady works\nmended works\nsteady drained\nclosed\n");
  const told = stderr.split("\n").filter((line) => line.includes('"level":"error"'));
  t.equal(told.length, 2);
  t.match(told[0], /"code":"inbox.gap".*"service":"mended".*"remedy":".*rollcall topics skip/u);
});

t.test("a fault of how a process was started ends it with 1 and names its remedy", async (t) => {
  const { code, stderr } = await finish([process.execPath, program, "hopeless"]);
  t.equal(code, 1);
  t.match(stderr, /"code":"config.invalid".*"remedy":"Correct every setting/u);
});

t.test("what is thrown where nobody waits ends the process at once with 1", async (t) => {
  const { code, stdout, stderr } = await finish([process.execPath, program, "uncaught"]);
  t.equal(code, 1);
  t.notMatch(stdout, "closed");
  t.match(stderr, /"level":"fatal".*"name":"TypeError"/u);
});

t.test("I2 a first SIGTERM or SIGINT lets the work in hand finish and ends with 0", async (t) => {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    const child = starting("steady");
    await child.said("steady works");
    child.kill(signal);
    const { code, stdout } = await child.ended;
    t.equal(code, 0, signal);
    t.equal(stdout, "steady works\nsteady drained\nclosed\n", signal);
  }
});

t.test("I2 a second signal ends the process at once", async (t) => {
  const child = starting("stuck");
  await child.said("stuck works");
  child.kill("SIGTERM");
  // Signals that are pending together arrive as one, so the first must have been received before the second is sent.
  await new Promise((resolve) => setTimeout(resolve, 150));
  child.kill("SIGINT");
  const { code, stdout } = await child.ended;
  t.equal(code, 130);
  t.notMatch(stdout, "closed");
});

t.test("I2 work that does not finish is given up after the time for draining", async (t) => {
  const child = starting("stuck");
  await child.said("stuck works");
  child.kill("SIGTERM");
  const { code, stderr } = await child.ended;
  t.equal(code, 1);
  t.match(stderr, "draining took too long");
});
