// The register of everything that can go wrong outside our own code: one code, one meaning, one remedy.
// It keeps true that every error of the world has a stable code which operators can look up in docs/errors.md,
// and that no error carries what a person's data could be: details are ids, places and counts.

/** What the register says of a code. `status` is the HTTP status with which an interface answers. */
export type ErrorEntry = {
  /** What was being done when it failed, as a gerund: "reading the range". */
  readonly message: string;
  readonly status: number;
  /** Whether the same attempt may succeed later, with nothing changed by a person. */
  readonly retryable: boolean;
  /** What a person should do, in one or two sentences. */
  readonly remedy: string;
};

/** All codes, sorted. `make docs` writes them to docs/errors.md. */
export const errorRegister = {
  "account.linked": {
    message: "linking an account that is linked to another login",
    status: 409,
    retryable: false,
    remedy:
      "Nothing was changed. If the link that stands is wrong, take it away with `rollcall account unlink`, then prove the right one.",
  },
  "account.product": {
    message: "changing the product of an account",
    status: 409,
    retryable: false,
    remedy: "An account is of one product for ever: make another account for the other product.",
  },
  "account.unknown": {
    message: "looking up the account",
    status: 404,
    retryable: false,
    remedy: "Check the id, or make the account with `rollcall account create`.",
  },
  "api.address": {
    message: "opening the address of the HTTP API",
    status: 500,
    retryable: false,
    remedy: "Free the port, or choose another with ROLLCALL_HTTP_PORT; 0 takes any that is free.",
  },
  "api.failed": {
    message: "answering the request",
    status: 500,
    retryable: false,
    remedy: "This is a fault of Rollcall: look for the line about this request in the log of the services.",
  },
  "api.route": {
    message: "looking up the path",
    status: 404,
    retryable: false,
    remedy: "GET /openapi.json lists every path and method.",
  },
  "changeset.exceeds": {
    message: "finishing a changeset that was begun",
    status: 500,
    retryable: false,
    remedy:
      "The district has stopped so that nothing is deleted by mistake. Look at the changeset's row and the plan, then resume the work.",
  },
  "config.invalid": {
    message: "reading the configuration",
    status: 500,
    retryable: false,
    remedy: "Correct every setting that the message names, then start again.",
  },
  "data.busy": {
    message: "opening the data folder",
    status: 409,
    retryable: false,
    remedy:
      "Wait for the other command, or stop it. With `rollcall up` running, any number of commands work side by side.",
  },
  "database.start": {
    message: "starting the embedded PostgreSQL",
    status: 503,
    retryable: false,
    remedy: "Read the cause: free the disk, choose another data directory, or set DATABASE_URL to a server that runs.",
  },
  "database.unreachable": {
    message: "talking to PostgreSQL",
    status: 503,
    retryable: true,
    remedy: "Nothing if it passes. Otherwise check that the server of DATABASE_URL runs and accepts this host.",
  },
  "delivery.range-unusable": {
    message: "reading the range of a delivery",
    status: 409,
    retryable: false,
    remedy: "Nothing: the range is asked for again and the district goes on when it is there.",
  },
  "delivery.unfillable": {
    message: "filling the range of a delivery again",
    status: 409,
    retryable: false,
    remedy: "What landing holds of the delivery is refused when read again. Deliver the set once more.",
  },
  "delivery.unknown": {
    message: "looking up the delivery",
    status: 404,
    retryable: false,
    remedy: "Check the id: it reads district, source, number, with dots between.",
  },
  "demo.differs": {
    message: "holding published changes against the ledger",
    status: 500,
    retryable: false,
    remedy: "This is a fault of Rollcall: report it with the lines above.",
  },
  "district.unknown": {
    message: "looking up the district",
    status: 404,
    retryable: false,
    remedy: "List the districts with `rollcall district list`, or make it with `rollcall district add`.",
  },
  "inbox.gap": {
    message: "following a topic whose next records are no longer kept",
    status: 500,
    retryable: false,
    remedy: "Work was lost before it was taken. Deliver the district's sets again, then move the consumer's position.",
  },
  "kafka.refused": {
    message: "asking Kafka for something that it refuses",
    status: 500,
    retryable: false,
    remedy:
      "Read the type that the message names: mostly credentials, or an access rule that is missing for the topic or the transactional id.",
  },
  "kafka.unreachable": {
    message: "talking to Kafka",
    status: 503,
    retryable: true,
    remedy: "Nothing if it passes. Otherwise check that the brokers of KAFKA_BROKERS run and accept this host.",
  },
  "landing.io": {
    message: "reading or writing the landing store",
    status: 503,
    retryable: true,
    remedy: "Check that the landing folder exists, has room, and may be written by this user.",
  },
  "lease.lost": {
    message: "holding the lease",
    status: 409,
    retryable: true,
    remedy: "Nothing: another process took the work over. If it recurs, look for two installations on one database.",
  },
  "license.org": {
    message: "checking the organisations of a license",
    status: 422,
    retryable: false,
    remedy:
      "Name each by its whole NCES id, as text: 7 digits for a district, 12 for a school, leading zeros included.",
  },
  "license.validity": {
    message: "checking the days of a license",
    status: 422,
    retryable: false,
    remedy: "Write days as YYYY-MM-DD, and let the first lie before the day on which the license ends.",
  },
  "log.generation": {
    message: "reading a topic that was deleted or made again",
    status: 409,
    retryable: false,
    remedy: "Start over from the topic's beginning: what was read belongs to a log that is gone.",
  },
  "log.other": {
    message: "opening an installation with another log than it began with",
    status: 409,
    retryable: false,
    remedy:
      "Set KAFKA_BROKERS and SCHEMA_REGISTRY_URL as it had them, or take them away, as the message says; or begin anew in another data folder and database.",
  },
  "log.range-expired": {
    message: "reading a range whose beginning is no longer kept",
    status: 410,
    retryable: false,
    remedy:
      "Nothing: the range is filled again from landing on request. If landing lost it too, deliver the set again.",
  },
  "log.range-short": {
    message: "reading a range that ends beyond the log",
    status: 500,
    retryable: false,
    remedy: "The log lost records that were acknowledged: restore it, or deliver the set again.",
  },
  "log.record-too-large": {
    message: "appending a record above the log's limit",
    status: 422,
    retryable: false,
    remedy: "Look at the row that the record's origin names: a field of it is far longer than the standard means.",
  },
  "log.unknown-topic": {
    message: "looking up the topic",
    status: 404,
    retryable: false,
    remedy: "Check the district: its topics are made when it is added and removed when it leaves.",
  },
  "log.writer-fenced": {
    message: "appending as a writer that was replaced",
    status: 409,
    retryable: true,
    remedy: "Nothing: a newer writer has the topic and nothing was written by this one.",
  },
  "login.district-unclear": {
    message: "finding the district of the login",
    status: 422,
    retryable: false,
    remedy: "Several districts have this issuer: name the one that the sign-on verified in the field `district`.",
  },
  "login.issuer-unknown": {
    message: "finding the district of the login",
    status: 422,
    retryable: false,
    remedy:
      "Check the issuer: it must be one of signOn.issuers of the district that is meant, and the token must be for that district.",
  },
  "login.misfiled": {
    message: "reading a login whose key names another district than its record",
    status: 422,
    retryable: false,
    remedy: "Have the sign-on gateway key each event by the district of the verified login, then resume the work.",
  },
  "login.pending": {
    message: "changing a login that was not looked at yet",
    status: 409,
    retryable: true,
    remedy: "Try again in a moment. If it stays, look at GET /health.",
  },
  "login.school": {
    message: "checking the school that was chosen",
    status: 422,
    retryable: false,
    remedy: "Choose one of the district's schools, by its NCES id of 12 digits, as text: leading zeros count.",
  },
  "login.unknown": {
    message: "looking up the login",
    status: 404,
    retryable: false,
    remedy: "Check the id: it is the one that POST /logins and `rollcall login` answer.",
  },
  "login.user-unknown": {
    message: "looking up the users of a login",
    status: 422,
    retryable: false,
    remedy: "Name users by their sourcedIds as the district's roster has them now.",
  },
  "person.unknown": {
    message: "looking up the person",
    status: 404,
    retryable: false,
    remedy:
      "Give the sourcedId of a user as the district delivers it, a person id, or the id that `rollcall login` printed.",
  },
  "plan.none": {
    message: "looking up the open plan",
    status: 404,
    retryable: false,
    remedy: "Nothing waits for a decision in this district.",
  },
  "registry.incompatible": {
    message: "registering a schema that cannot read, or be read by, its earlier forms",
    status: 409,
    retryable: false,
    remedy:
      "Give the field that the message names a default, or leave it as it was: compacted topics keep records of every form for ever.",
  },
  "registry.undecodable": {
    message: "decoding a record",
    status: 500,
    retryable: false,
    remedy: "The record is not of this system or is damaged: look at the topic and offset that the message names.",
  },
  "registry.unknown-schema": {
    message: "looking up the schema",
    status: 500,
    retryable: false,
    remedy: "The record was written by a newer version: update this installation.",
  },
  "registry.unpinned": {
    message: "loading schemas that differ from their pinned form",
    status: 500,
    retryable: false,
    remedy:
      "Run `node libs/adapters/registry/pin.ts`: a changed schema gets a new id, and its old form stays readable.",
  },
  "registry.unreachable": {
    message: "talking to the schema registry",
    status: 503,
    retryable: true,
    remedy: "Nothing if it passes. Otherwise check that the server of SCHEMA_REGISTRY_URL runs and accepts this host.",
  },
  "registry.unregistered": {
    message: "looking up a schema that was never registered",
    status: 503,
    retryable: true,
    remedy: "Run `rollcall topics apply`: schemas are registered from there and from nowhere else.",
  },
  "request.invalid": {
    message: "reading the request",
    status: 400,
    retryable: false,
    remedy: "Correct what the message names; GET /openapi.json says what a request may hold.",
  },
  "roster.unappliable": {
    message: "applying a changeset to the roster tables",
    status: 500,
    retryable: false,
    remedy:
      "A value was published that the tables do not take. Deliver the row corrected, then resume the district or rebuild it.",
  },
  "rosters.busy": {
    message: "waiting for the district's rosters",
    status: 409,
    retryable: true,
    remedy: "Another process is applying a changeset to the district. Give the command once more when it is done.",
  },
  "sample.io": {
    message: "writing the sample",
    status: 500,
    retryable: false,
    remedy: "Check that the folder may be written by this user and that the disk has room.",
  },
  "services.gone": {
    message: "waiting for the services: rollcall up has ended",
    status: 503,
    retryable: true,
    remedy: "Nothing that was received is lost. Start `rollcall up` again, or give the same command once more.",
  },
  "set.unreadable": {
    message: "reading the set",
    status: 422,
    retryable: false,
    remedy: "Check that the path is a folder or a whole zip file with CSV files at its root.",
  },
  "source.second": {
    message: "delivering from a second source of a district",
    status: 409,
    retryable: false,
    remedy:
      "A district has one active source for now, because two would delete each other's rows. Deliver from the source it has.",
  },
  "stack.start": {
    message: "starting the local stack",
    status: 503,
    retryable: false,
    remedy: "Read the cause: install what it names, free the port or the memory, then give the command again.",
  },
  "token.exists": {
    message: "making a token",
    status: 409,
    retryable: false,
    remedy: "Choose another name: a name is used once, also after it was revoked.",
  },
  "token.forbidden": {
    message: "checking what the token may do",
    status: 403,
    retryable: false,
    remedy: "Use a token with the role and the districts that this needs; `rollcall token create` makes one.",
  },
  "token.invalid": {
    message: "checking the token",
    status: 401,
    retryable: false,
    remedy: "Send `Authorization: Bearer <token>` with a token that was made here and is not revoked.",
  },
  "token.unknown": {
    message: "looking up the token",
    status: 404,
    retryable: false,
    remedy: "List the tokens with `rollcall token list`.",
  },
  "topics.differ": {
    message: "reading back the topics that were just changed",
    status: 500,
    retryable: false,
    remedy: "The brokers took the settings and have others: look for a policy of theirs, then apply again.",
  },
  "topics.lossy": {
    message: "changing a topic by which records would be lost",
    status: 409,
    retryable: false,
    remedy:
      "Nothing was changed. If it is meant, change that one topic with Kafka's own tools, then apply again; if not, find out who changed it.",
  },
  usage: {
    message: "understanding the command",
    status: 400,
    retryable: false,
    remedy: "Add --help to the command: it shows the arguments and an example.",
  },
  "work.not-waiting": {
    message: "finishing work that is not waiting",
    status: 409,
    retryable: false,
    remedy: "Nothing: the work was finished or stopped by someone else, and this attempt was rolled back.",
  },
} as const satisfies Readonly<Record<string, ErrorEntry>>;

/** A code of the register. */
export type ErrorCode = keyof typeof errorRegister;

/** Ids, places and counts that help to find what failed; never the value of a cell. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean | null | readonly string[]>>;

/**
 * The world failed. Its message is the register's gerund unless a more exact one is given.
 * Whoever holds one may wrap it as the cause of another; only `run()` retries or exits.
 */
export class AppError extends Error {
  override readonly name = "AppError";
  readonly code: ErrorCode;
  readonly retryable: boolean;
  /** HTTP status. */
  readonly status: number;
  readonly remedy: string;
  readonly details: ErrorDetails;

  constructor(
    code: ErrorCode,
    about: { readonly message?: string; readonly cause?: unknown; readonly details?: ErrorDetails } = {},
  ) {
    const entry: ErrorEntry = errorRegister[code];
    super(about.message ?? entry.message, about.cause === undefined ? {} : { cause: about.cause });
    this.code = code;
    this.retryable = entry.retryable;
    this.status = entry.status;
    this.remedy = entry.remedy;
    this.details = about.details ?? {};
  }
}

/** Whether an unknown thing that was thrown is an error of the world, with one of these codes if any are named. */
export function isAppError(thrown: unknown, ...codes: readonly ErrorCode[]): thrown is AppError {
  return thrown instanceof AppError && (codes.length === 0 || codes.includes(thrown.code));
}
