// Settings from the environment: all faults at once, no value repeated, every one from a file if wanted.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { AppError } from "../../libs/errors.ts";
import { EnvReader } from "../../libs/runtime/env.ts";

t.test("settings are read, and what is not set has its fallback", async (t) => {
  const env = new EnvReader({ NAME: "x", PORT: "80", ON: "true", LEVEL: "warn", EMPTY: "" });
  t.equal(env.text("NAME"), "x");
  t.equal(env.text("EMPTY", "fallback"), "fallback");
  t.equal(env.optional("MISSING"), null);
  t.equal(env.integer("PORT", { fallback: 1, min: 1, max: 65_535 }), 80);
  t.equal(env.integer("OTHER_PORT", { fallback: 81, min: 1, max: 65_535 }), 81);
  t.equal(env.flag("ON", false), true);
  t.equal(env.oneOf("LEVEL", ["info", "warn"], "info"), "warn");
  t.doesNotThrow(() => env.finish());
});

t.test("all faults are named at once, and no value is", async (t) => {
  const env = new EnvReader({ PORT: "s3cret", ON: "s3cret", LEVEL: "s3cret", BIG: "70000", TOKEN_FILE: "/s3cret" });
  env.text("NAME");
  env.integer("PORT", { fallback: 1, min: 1, max: 65_535 });
  env.integer("BIG", { fallback: 1, min: 1, max: 65_535 });
  env.flag("ON", false);
  env.oneOf("LEVEL", ["info", "warn"], "info");
  env.optional("TOKEN");
  const thrown = t.throws(() => env.finish(), { code: "config.invalid" });
  const message = thrown instanceof AppError ? thrown.message : "";
  for (const name of ["NAME", "PORT", "BIG", "ON", "LEVEL", "TOKEN"]) t.match(message, name);
  t.notMatch(message, "s3cret");
});

t.test("a setting can come from a file, less the newline at its end", async (t) => {
  const path = join(t.testdir(), "token");
  writeFileSync(path, "abc\n");
  t.equal(new EnvReader({ TOKEN_FILE: path }).text("TOKEN"), "abc");
});
