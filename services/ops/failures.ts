// What a request is told when it fails. It keeps true that an answer and a log line name places, and repeat no value.

import type { FastifyError } from "fastify";

import { databaseFailure } from "../../libs/adapters/postgres/database.ts";
import { AppError } from "../../libs/errors.ts";
import { patternFault } from "./schemas.ts";

/** The error that the register knows for whatever was thrown. */
export function failureOf(thrown: unknown): AppError {
  const error = databaseFailure(thrown);
  if (error instanceof AppError) return error;
  if (isRequestFault(error)) return new AppError("request.invalid", { message: faultIn(error) });
  return new AppError("api.failed", { cause: error });
}

function isRequestFault(error: unknown): error is FastifyError {
  if (!(error instanceof Error) || !("statusCode" in error)) return false;
  const { statusCode } = error;
  return typeof statusCode === "number" && statusCode >= 400 && statusCode < 500;
}

/** Which part of the request is wrong, without what it says: the parser of JSON would quote it. */
function faultIn({ validation, validationContext, code }: FastifyError): string {
  const [first] = validation ?? [];
  if (first === undefined)
    return code === "FST_ERR_CTP_BODY_TOO_LARGE"
      ? "reading the body: it is larger than 64 KiB"
      : "reading the body: it is not JSON, or not sent as application/json";
  const { additionalProperty: extra, allowedValues: allowed, pattern } = first.params;
  const place = `${validationContext ?? "request"}${first.instancePath}`;
  if (typeof extra === "string") return `${place} may not have a field ${JSON.stringify(extra.slice(0, 40))}`;
  if (Array.isArray(allowed)) return `${place} must be one of ${allowed.join(", ")}`;
  return `${place} ${patternFault(pattern) ?? first.message ?? "is not as it should be"}`;
}

/** The one shape of an error, as `--json` of the command line has it too. */
export function errorBody({ code, message, remedy }: AppError): object {
  return { error: { code, message, remedy } };
}
