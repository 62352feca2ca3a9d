// Reads settings from environment variables.
// It keeps true that all faults are reported at once, that no value is ever repeated in a message (it may be a secret),
// and that every setting can come from a file instead: NAME_FILE names a file whose text is the value of NAME.

import { readFileSync } from "node:fs";
import { AppError } from "../errors.ts";

/** Environment variables as the process has them. */
export type Env = Readonly<Record<string, string | undefined>>;

/** The environment of this process, for commands; a service's config.ts reads it itself. */
export function processEnv(): Env {
  return process.env;
}

/**
 * Reads one setting after the other and collects what is wrong; {@link EnvReader.finish} throws it all.
 * A setting that is missing or wrong yields its fallback, or a harmless value, until then.
 */
export class EnvReader {
  readonly #env: Env;
  readonly #faults: string[] = [];

  constructor(env: Env) {
    this.#env = env;
  }

  /** Text that must be there, and not be empty, unless there is a fallback. */
  text(name: string, fallback?: string): string {
    const value = this.optional(name) ?? fallback;
    if (value === undefined) this.#faults.push(`${name} is not set`);
    return value ?? "";
  }

  /** Text, or null when neither NAME nor NAME_FILE is set; empty counts as not set. */
  optional(name: string): string | null {
    const value = this.#env[name];
    if (value !== undefined && value !== "") return value;
    const path = this.#env[`${name}_FILE`];
    if (path === undefined || path === "") return null;
    try {
      return readFileSync(path, "utf8").trimEnd();
    } catch {
      this.#faults.push(`${name}_FILE names a file that cannot be read`);
      return null;
    }
  }

  /** A whole number within bounds, both included. */
  integer(name: string, about: { readonly fallback: number; readonly min: number; readonly max: number }): number {
    const value = this.optional(name);
    if (value === null) return about.fallback;
    const number = /^-?[0-9]{1,15}$/u.test(value) ? Number(value) : Number.NaN;
    if (number >= about.min && number <= about.max) return number;
    this.#faults.push(`${name} must be a whole number from ${about.min} to ${about.max}`);
    return about.fallback;
  }

  /** `true` or `false`, in lower case. */
  flag(name: string, fallback: boolean): boolean {
    return this.oneOf(name, ["true", "false"], fallback ? "true" : "false") === "true";
  }

  /** One of some words. */
  oneOf<Word extends string>(name: string, words: readonly Word[], fallback: Word): Word {
    const value = this.optional(name);
    if (value === null) return fallback;
    const found = words.find((word) => word === value);
    if (found === undefined) this.#faults.push(`${name} must be one of ${words.join(", ")}`);
    return found ?? fallback;
  }

  /** Adds a fault that settings have together; it must not repeat a value. */
  refuse(fault: string): void {
    this.#faults.push(fault);
  }

  /** @throws AppError `config.invalid` that names every fault found so far. */
  finish(): void {
    if (this.#faults.length === 0) return;
    throw new AppError("config.invalid", {
      message: `reading the configuration: ${this.#faults.join("; ")}`,
      details: { faults: this.#faults },
    });
  }
}
