// What every log must keep, whatever it is made of: run this suite on each adapter of the port EventLog.
// It uses two logs over the same store, as two processes would, because most of the promises are about others.

import t from "tap";
import { compactionTests } from "./log-compaction.ts";
import { contentTests, partTests, rangeTests } from "./log-ranges.ts";
import { deadlockTests, orderTests, transactionTests, visibilityTests } from "./log-transactions.ts";
import type { MakeLog } from "./log-under-test.ts";
import { waitTests } from "./log-waiting.ts";
import { lateWriterTests, writerTests } from "./log-writers.ts";

/** @param name what the log is, for the names of the tests. */
export function eventLogContract(name: string, make: MakeLog): void {
  t.test(`${name}: topics and their records`, (suite) => contentTests(suite, make));
  t.test(`${name}: parts of a topic`, (suite) => partTests(suite, make));
  t.test(`${name}: ranges`, (suite) => rangeTests(suite, make));
  t.test(`${name}: transactions`, (suite) => transactionTests(suite, make));
  t.test(`${name}: atomic visibility`, (suite) => visibilityTests(suite, make));
  t.test(`${name}: order under concurrent transactions`, (suite) => orderTests(suite, make));
  t.test(`${name}: many topics in one transaction`, (suite) => deadlockTests(suite, make));
  t.test(`${name}: a writer`, (suite) => writerTests(suite, make));
  t.test(`${name}: a late writer`, (suite) => lateWriterTests(suite, make));
  t.test(`${name}: compaction`, (suite) => compactionTests(suite, make));
  t.test(`${name}: waiting for appends`, (suite) => waitTests(suite, make));
}
