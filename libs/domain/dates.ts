// Dates and times as OneRoster writes them (CSV binding, data types), read without guessing.
// A date is its ISO text: it has no zone, so it never becomes a point in time. A time is epoch milliseconds.

import { assert } from "./assert.ts";

const zero = 48;
const dash = 45;
const monthLengths: readonly number[] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
const dayMs = 86_400_000;
const timeForm = /^[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?(?:Z|([+-])(\d\d):?(\d\d))?$/u;
const strictForm = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/u;

/** The number that `length` digits at `at` write, or -1 when one of them is no digit. */
function digits(text: string, at: number, length: number): number {
  let value = 0;
  for (let i = at; i < at + length; i++) {
    const digit = text.charCodeAt(i) - zero;
    if (!(digit >= 0 && digit <= 9)) return -1;
    value = value * 10 + digit;
  }
  return value;
}

function isLeap(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}

/** Whether the first ten characters are a day of the calendar, `YYYY-MM-DD`. */
function beginsWithDate(text: string): boolean {
  if (text.charCodeAt(4) !== dash || text.charCodeAt(7) !== dash) return false;
  const year = digits(text, 0, 4);
  const month = digits(text, 5, 2);
  const day = digits(text, 8, 2);
  // There is no year 0: after 1 BC comes 1 AD.
  if (year < 1 || month < 1 || day < 1) return false;
  const length = month === 2 && isLeap(year) ? 29 : (monthLengths[month - 1] ?? 0);
  return day <= length;
}

/** Whether the text is exactly a day of the calendar, `YYYY-MM-DD`. */
export function isDate(text: string): boolean {
  return text.length === 10 && beginsWithDate(text);
}

/**
 * Days since 1970-01-01 of a date, negative before it.
 * @throws Error when the text is no date: callers have it from an entity.
 */
export function dayNumber(date: string): number {
  assert(isDate(date), "the text is a date");
  return daysSinceEpoch(digits(date, 0, 4), digits(date, 5, 2), digits(date, 8, 2));
}

/**
 * The literal date part of a date-time such as `2024-08-15T00:00:00.0000000-05:00`; null when the text is anything else.
 * The part is taken as written: converting to UTC first would move a midnight of another zone to the day before.
 */
export function datePart(text: string): string | null {
  return text.length > 10 && beginsWithDate(text) && clockMs(text.slice(10)) !== null ? text.slice(0, 10) : null;
}

/** Whether the text is a time in the one form that the standard asks for, `2012-04-23T18:25:43.511Z`. */
export function isStrictDateTime(text: string): boolean {
  return strictForm.test(text);
}

/**
 * Epoch milliseconds of a date or a date-time with up to nine decimals; finer than a millisecond is cut.
 * Without a zone, or without a time, UTC is meant. Null when the text is anything else.
 */
export function parseDateTime(text: string): number | null {
  if (!beginsWithDate(text)) return null;
  const midnight = daysSinceEpoch(digits(text, 0, 4), digits(text, 5, 2), digits(text, 8, 2)) * dayMs;
  if (text.length === 10) return midnight;
  const clock = clockMs(text.slice(10));
  return clock === null ? null : midnight + clock;
}

/** Milliseconds between midnight UTC of the literal date and the point in time that the rest of a date-time says. */
function clockMs(text: string): number | null {
  const match = timeForm.exec(text);
  if (match === null) return null;
  const [, hours = "", minutes = "", seconds = "0", decimals = "", sign, zoneHours = "0", zoneMinutes = "0"] = match;
  if (Number(hours) > 23 || Number(minutes) > 59 || Number(seconds) > 59) return null;
  if (Number(zoneHours) > 14 || Number(zoneMinutes) > 59) return null;
  const clock = (Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds);
  const zone = (Number(zoneHours) * 60 + Number(zoneMinutes)) * 60 * (sign === "-" ? -1 : 1);
  return (clock - zone) * 1000 + Number(decimals.slice(0, 3).padEnd(3, "0"));
}

/** Days from 1970-01-01 in the proleptic Gregorian calendar, counted in years that begin in March. */
function daysSinceEpoch(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const dayOfYear = Math.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1;
  return y * 365 + Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400) + dayOfYear - 719_468;
}

/** Whether a day lies in [begin, end); null leaves that side open. Dates as `YYYY-MM-DD` sort as text. */
export function isWithin(day: string, begin: string | null, end: string | null): boolean {
  return (begin === null || begin <= day) && (end === null || day < end);
}

/** The day of a point in time (epoch milliseconds) in a zone of the time zone database, `YYYY-MM-DD`. */
export function localDate(at: number, timeZone: string): string {
  return new Intl.DateTimeFormat("en-CA", { timeZone, dateStyle: "short" }).format(at);
}
