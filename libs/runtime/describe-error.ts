// What may be logged of something that was thrown.
// It keeps true that no cell of a roster reaches a log by way of an error: PostgreSQL quotes values in its messages
// and details, and JSON.parse quotes its input, so the texts of those are withheld and their codes and places are kept.

import { AppError } from "../errors.ts";

/** A thrown thing as fields of a log line. */
export type ErrorDescription = {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
  readonly details?: Readonly<Record<string, unknown>>;
  /** The stack without its first lines, which repeat the message. */
  readonly frames?: readonly string[];
  readonly cause?: ErrorDescription;
};

const withheld = "(withheld: it may quote data)";
const placesOfDatabase = ["schema", "table", "column", "dataType", "constraint", "routine", "severity"] as const;
const maxDepth = 8;

/** Describes anything, also what is no Error; causes are followed, eight deep at most. */
export function describeError(thrown: unknown, depth = 0): ErrorDescription {
  if (!(thrown instanceof Error)) return { name: typeof thrown, message: withheld };
  const code = textField(thrown, "code");
  const described = {
    name: thrown.name,
    ...(code === undefined ? {} : { code }),
    ...aboutMessage(thrown, code),
    frames: framesOf(thrown),
  };
  return thrown.cause === undefined || depth >= maxDepth
    ? described
    : { ...described, cause: describeError(thrown.cause, depth + 1) };
}

function aboutMessage(error: Error, code: string | undefined): Pick<ErrorDescription, "message" | "details"> {
  if (error instanceof AppError) return { message: error.message, details: error.details };
  if (error instanceof SyntaxError) return { message: withheld };
  if (code === undefined || !isSqlState(code)) return { message: error.message };
  const places = placesOfDatabase.map((name) => [name, textField(error, name)] as const);
  return { message: withheld, details: Object.fromEntries(places.filter(([, place]) => place !== undefined)) };
}

/** Five characters of which one is a digit, class first; system errors such as EPIPE have none. */
function isSqlState(code: string): boolean {
  return /^[0-9A-Z]{5}$/u.test(code) && /[0-9]/u.test(code);
}

function textField(error: Error, name: string): string | undefined {
  const value: unknown = Reflect.get(error, name);
  return typeof value === "string" ? value : undefined;
}

function framesOf(error: Error): readonly string[] {
  return (error.stack ?? "")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line.startsWith("at "));
}
