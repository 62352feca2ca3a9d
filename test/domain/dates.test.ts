// Dates and times are read as written or not at all.

import t from "tap";
import { datePart, dayNumber, isDate, isStrictDateTime, parseDateTime } from "../../libs/domain/dates.ts";

t.test("a date is a day of the calendar, written YYYY-MM-DD", async (t) => {
  for (const date of ["2024-02-29", "2000-02-29", "2024-12-31", "1999-01-01"]) t.ok(isDate(date), date);
  for (const date of [
    "",
    "2023-02-29",
    "1900-02-29",
    "2024-13-01",
    "2024-00-10",
    "2024-04-31",
    "2024-01-00",
    "01/02/2024",
    "2024/01/02",
    "24-01-02",
    "2024-1-2",
    "20240102",
    " 2024-01-02",
    "2024-01-02 ",
    "2024-01-0２",
    "2024-01-02T00:00:00Z",
  ]) {
    t.notOk(isDate(date), `"${date}"`);
  }
});

t.test("the date part of a date-time is the literal one, whatever the zone", async (t) => {
  t.equal(datePart("2024-08-15T00:00:00.0000000-05:00"), "2024-08-15");
  t.equal(datePart("2024-08-15T23:30:00+14:00"), "2024-08-15");
  t.equal(datePart("2024-08-15 00:00:00"), "2024-08-15");
  for (const text of ["2024-08-15", "2024-08-15T", "2024-08-15Tmorning", "2024-08-15T25:00:00Z", "08/15/2024 00:00"]) {
    t.equal(datePart(text), null, text);
  }
});

t.test("times agree with the platform's own parser", async (t) => {
  for (const text of [
    "2012-04-23T18:25:43.511Z",
    "1969-12-31T23:59:59.999Z",
    "2000-02-29T12:00:00Z",
    "2024-08-15T00:00:00-05:00",
    "2024-08-15T00:00:00+05:30",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "2024-03-01",
  ]) {
    t.equal(parseDateTime(text), Date.parse(text), text);
  }
  t.equal(parseDateTime("2024-08-15T00:00:00.1234567Z"), Date.parse("2024-08-15T00:00:00.123Z"), "finer is cut");
  t.equal(parseDateTime("2024-08-15 10:00"), Date.parse("2024-08-15T10:00:00Z"), "no zone means UTC");
});

t.test("what is no time is null", async (t) => {
  for (const text of ["", "yesterday", "01/02/2024", "2024-02-30T00:00:00Z", "2024-01-01T24:00:00Z", "1700000000"]) {
    t.equal(parseDateTime(text), null, `"${text}"`);
  }
});

t.test("only three decimals and Z are the standard's form", async (t) => {
  t.ok(isStrictDateTime("2012-04-23T18:25:43.511Z"));
  for (const text of ["2012-04-23T18:25:43Z", "2012-04-23T18:25:43.511+00:00", "2012-04-23"]) {
    t.notOk(isStrictDateTime(text), text);
  }
});

t.test("days are counted from 1970-01-01", async (t) => {
  for (const date of ["1970-01-01", "1969-12-31", "2000-02-29", "2000-03-01", "2026-11-25", "1600-01-01"]) {
    t.equal(dayNumber(date), Date.parse(date) / 86_400_000, date);
  }
  t.throws(() => dayNumber("2024-02-30"), /assertion/u);
});
