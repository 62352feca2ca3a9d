// Errors are logged without the data that they quote.

import t from "tap";
import { AppError } from "../../libs/errors.ts";
import { describeError } from "../../libs/runtime/describe-error.ts";

const secret = "Ada Lovelace";

/** What pg throws: the value stands in the message and in the detail. */
function databaseError(): Error {
  return Object.assign(new Error(`invalid input syntax for type uuid: "${secret}"`), {
    code: "22P02",
    detail: `Key (name)=(${secret}) already exists.`,
    where: `COPY people, line 1, column name: "${secret}"`,
    table: "people",
    constraint: "people_name_key",
  });
}

function parseError(): unknown {
  try {
    return JSON.parse(secret);
  } catch (thrown) {
    return thrown;
  }
}

t.test("I1 an error of the database keeps its code and place but not its texts", async (t) => {
  const described = describeError(new AppError("database.unreachable", { cause: databaseError() }));
  t.equal(described.code, "database.unreachable");
  t.equal(described.cause?.code, "22P02");
  t.strictSame(described.cause?.details, { table: "people", constraint: "people_name_key" });
  t.notMatch(JSON.stringify(described), secret);
});

t.test("I1 an error of JSON.parse does not repeat its input", async (t) => {
  t.match(String(parseError()), "Ada", "the error itself does");
  t.notMatch(JSON.stringify(describeError(parseError())), "Ada");
});

t.test("thrown things that are no errors are not repeated", async (t) => {
  t.equal(describeError(secret).name, "string");
  t.notMatch(JSON.stringify(describeError(secret)), secret);
});

t.test("our own errors and the system's keep message, code, details and frames", async (t) => {
  const cause = Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
  const described = describeError(new AppError("landing.io", { cause, details: { file: "users.csv", line: 3 } }));
  t.equal(described.message, "reading or writing the landing store");
  t.strictSame(described.details, { file: "users.csv", line: 3 });
  t.match(described.frames?.[0], /^at /u);
  t.match(described.cause, { code: "ECONNREFUSED", message: "connect ECONNREFUSED" });
});

t.test("a cause that is its own cause comes to an end", async (t) => {
  const error = new Error("round");
  error.cause = error;
  t.equal(JSON.stringify(describeError(error)).split('"round"').length - 1, 9);
});
