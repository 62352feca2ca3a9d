// NCES ids: 7 digits name a school district in the United States, 12 a school, of which the first 7 are its district's.
// They are text: a spreadsheet that reads them as numbers takes leading zeros away, and what is gone is not guessed back.

/** Whether the text is a whole NCES id of a district or a school. */
export function isWholeNcesId(text: string): boolean {
  return /^(?:\d{7}|\d{12})$/u.test(text);
}

/** Whether the text is an NCES id that has lost a digit: eleven where twelve are due, or six where seven. */
export function isShortNcesId(text: string): boolean {
  return /^(?:\d{6}|\d{11})$/u.test(text);
}

/** The id of the district of a school. */
export function districtOfSchool(school: string): string {
  return school.slice(0, 7);
}
