// How test runs are shown: failures in full, one line per file, and `N passed, N failed, N skipped` last.
// It keeps true that a run in which anything failed, was marked todo, or asserted nothing exits with 1:
// tap itself lets a file without a test and a failing todo pass.
//
// A case is a subtest without subtests of its own, or an assertion that stands beside subtests or directly in a file.

import { Transform, type TransformCallback } from "node:stream";
import { Parser, type Result } from "tap-parser";

type Counts = { passed: number; failed: number; skipped: number };

/** tap loads it by its default export, a stream that takes TAP and gives text. */
export default class Reporter extends Transform {
  readonly #counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  readonly #startedAt = Date.now();
  readonly #parser = new Parser();

  constructor() {
    super({ decodeStrings: false });
    let file: Parser | undefined;
    this.#parser.on("child", (child: Parser) => {
      file = child;
      this.#watch(child, [child.name]);
    });
    this.#parser.on("assert", (result: Result) => {
      this.#closeFile(result, result.closingTestPoint ? file : undefined);
    });
    this.#parser.on("bailout", (reason: string) => {
      this.#fail(`bail out: ${reason}`, undefined);
    });
  }

  override _transform(chunk: string | Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#parser.write(chunk);
    done();
  }

  override _flush(done: TransformCallback): void {
    this.#parser.end();
    const { passed, failed, skipped } = this.#counts;
    if (passed + failed === 0) this.#fail("no test ran", undefined);
    if (this.#counts.failed > 0 || !this.#parser.ok) process.exitCode = 1;
    const seconds = ((Date.now() - this.#startedAt) / 1000).toFixed(1);
    this.push(`\nin ${seconds} s\n${passed} passed, ${this.#counts.failed} failed, ${skipped} skipped\n`);
    done();
  }

  /** Follows one level of tests: `path` are the names above it, the file first. */
  #watch(level: Parser, path: readonly string[]): void {
    let last: Parser | undefined;
    const own: Result[] = [];
    level.on("child", (child: Parser) => {
      last = child;
      this.#watch(child, [...path, child.name]);
    });
    level.on("assert", (result: Result) => {
      const empty = result.closingTestPoint && last?.count === 0;
      if (empty) this.#fail(`${[...path, result.name].join(" > ")}: asserted nothing`, undefined);
      // The line that closes a subtest repeats what its own lines said.
      if (empty || (result.closingTestPoint && !result.todo)) return;
      own.push(result);
      if (!result.ok || result.todo) this.#show([...path, result.name], result);
    });
    level.on("complete", () => {
      if (path.length > 1 && last === undefined) this.#countCase(own);
      else for (const result of own) this.#countCase([result]);
    });
  }

  #countCase(results: readonly Result[]): void {
    if (results.length === 0) return;
    if (results.some((result) => !result.ok || result.todo)) this.#counts.failed += 1;
    else if (results.every((result) => result.skip)) this.#counts.skipped += 1;
    else this.#counts.passed += 1;
  }

  #closeFile(result: Result, file: Parser | undefined): void {
    if (file === undefined || file.count === 0) {
      this.#fail(`${result.name}: ran no assertion`, result);
      return;
    }
    const time = typeof result.time === "number" ? ` (${(result.time / 1000).toFixed(1)} s)` : "";
    this.push(`${result.ok ? "ok    " : "FAILED"} ${result.name}${time}\n`);
    // A file may fail although all it asserted held: a crash after the last test, an exit code.
    if (!result.ok && file.ok) this.#fail(`${result.name}: failed outside its tests`, result);
  }

  #fail(what: string, result: Result | undefined): void {
    this.#counts.failed += 1;
    this.#show([what], result);
  }

  #show(path: readonly string[], result: Result | undefined): void {
    const why = result?.todo ? "\n  todo tests are not allowed: a failing one would pass" : "";
    this.push(`\nFAILED ${path.join(" > ")}${why}\n${describe(result)}\n`);
  }
}

/** What tap says of a failure: the difference, the place, and whatever else is short enough to read. */
function describe(result: Result | undefined): string {
  const diag: unknown = result?.diag;
  if (typeof diag !== "object" || diag === null) return "";
  return Object.entries(diag)
    .filter(([name]) => !["at", "compare", "source", "stackTrace", "tapError"].includes(name))
    .map(([name, value]) => {
      const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
      return text.includes("\n") ? `  ${name}:\n${text.replaceAll(/^/gmu, "    ")}` : `  ${name}: ${text}`;
    })
    .join("\n");
}
