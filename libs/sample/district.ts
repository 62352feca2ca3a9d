// The invented district: how many of everything there are and where they belong.
// Everything has a slot, a number that never changes; a slot may be empty on a night (see presence.ts).
// Keeps true: all of it follows from the options alone, none of it from a night.

import type { Version } from "../domain/oneroster/enumerations.ts";
import { cities, placeNames } from "./names.ts";
import { type Pulse, hash, pulse } from "./schedule.ts";

export type School = {
  readonly index: number;
  readonly id: string;
  /** NCES id, 12 digits. */
  readonly identifier: string;
  readonly name: string;
  /** Index of the lowest grade in {@link gradeCodes}, and how many grades there are. */
  readonly firstGrade: number;
  readonly grades: number;
  readonly students: Block;
  readonly teachers: Block;
  /** Students of one grade. */
  readonly cohort: number;
  /** Parallel classes per grade and period. */
  readonly sections: number;
  readonly classStart: number;
  readonly classes: number;
};

/** Slots `[start, start + present + late)`; the late ones are empty on night 1. `lateStart` counts late slots of all schools. */
export type Block = {
  readonly start: number;
  readonly present: number;
  readonly late: number;
  readonly lateStart: number;
};

export type District = {
  readonly seed: number;
  readonly version: Version;
  readonly schoolYear: number;
  readonly name: string;
  readonly id: string;
  /** NCES id, 7 digits. */
  readonly identifier: string;
  readonly domain: string;
  readonly schools: readonly School[];
  readonly students: number;
  readonly teachers: number;
  readonly classes: number;
  readonly schoolOfStudent: Uint32Array;
  readonly schoolOfTeacher: Uint32Array;
  readonly schoolOfClass: Uint32Array;
  readonly pulses: Readonly<Record<PulseName, Pulse>>;
};

export const gradeCodes = ["KG", "01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12"] as const;
/** Classes of a student: a homeroom and eight subjects. */
export const periods = 9;
const studentsPerSchool = 500;
const studentsPerTeacher = 17;
const studentsPerClass = 27;

const levels = [
  { word: "Elementary School", firstGrade: 0, grades: 6 },
  { word: "High School", firstGrade: 9, grades: 4 },
  { word: "Elementary School", firstGrade: 0, grades: 6 },
  { word: "Middle School", firstGrade: 6, grades: 3 },
] as const;

// Codes of states, most of them with the leading zero that spreadsheets lose.
const states = ["01", "04", "06", "08", "09", "36"] as const;

type PulseName = keyof typeof pulseRates;
type Sized = "students" | "lateStudents" | "teachers" | "lateTeachers" | "classes" | "enrollments" | "schools";

/** Of which slots one in `longest` changes a night; `atLeast` is how many do in a small district. */
const pulseRates = {
  leaving: { of: "students", longest: 397, atLeast: 0.5 },
  arriving: { of: "lateStudents", longest: 23, atLeast: 1 },
  familyName: { of: "students", longest: 97, atLeast: 2 },
  preferredName: { of: "students", longest: 197, atLeast: 1 },
  grade: { of: "students", longest: 397, atLeast: 1 },
  enabled: { of: "students", longest: 397, atLeast: 1 },
  phone: { of: "students", longest: 97, atLeast: 1 },
  birthplace: { of: "students", longest: 197, atLeast: 1 },
  roleBegin: { of: "students", longest: 397, atLeast: 1 },
  teacherLeaving: { of: "teachers", longest: 197, atLeast: 0.5 },
  teacherArriving: { of: "lateTeachers", longest: 47, atLeast: 1 },
  secondSchool: { of: "teachers", longest: 97, atLeast: 1 },
  classGone: { of: "classes", longest: 397, atLeast: 1 },
  location: { of: "classes", longest: 97, atLeast: 1 },
  takeover: { of: "classes", longest: 197, atLeast: 1 },
  moving: { of: "enrollments", longest: 97, atLeast: 2 },
  dropping: { of: "enrollments", longest: 197, atLeast: 2 },
  enrollmentBegin: { of: "enrollments", longest: 97, atLeast: 2 },
  schoolName: { of: "schools", longest: 47, atLeast: 1 },
} as const satisfies Readonly<
  Record<string, { readonly of: Sized; readonly longest: number; readonly atLeast: number }>
>;

/** The district that the options describe; `students` is how many there are on night 1. */
export function district(options: {
  readonly seed: number;
  readonly students: number;
  readonly version: Version;
  readonly schoolYear: number;
  readonly name: string;
}): District {
  const { seed, students, version: layout, schoolYear, name } = options;
  const identifier = `${states[hash(seed, 1, 0) % states.length] ?? "06"}${digits(hash(seed, 2, 0) % 100_000, 5)}`;
  const schools = schoolsOf({ seed, students, identifier });
  const last = schools.at(-1);
  const slots = (block: Block | undefined): number => (block ? block.start + block.present + block.late : 0);
  const studentSlots = slots(last?.students);
  const teacherSlots = slots(last?.teachers);
  const classes = last ? last.classStart + last.classes : 0;
  return {
    seed,
    version: layout,
    schoolYear,
    name,
    id: `district-${identifier}`,
    identifier,
    domain: `${name.toLowerCase().replaceAll(/[^a-z0-9]/gu, "") || "district"}.example`,
    schools,
    students: studentSlots,
    teachers: teacherSlots,
    classes,
    schoolOfStudent: owners(studentSlots, schools, (school) => school.students.start),
    schoolOfTeacher: owners(teacherSlots, schools, (school) => school.teachers.start),
    schoolOfClass: owners(classes, schools, (school) => school.classStart),
    pulses: pulsesOf(seed, {
      students: studentSlots,
      lateStudents: schools.reduce((sum, school) => sum + school.students.late, 0),
      teachers: teacherSlots,
      lateTeachers: schools.reduce((sum, school) => sum + school.teachers.late, 0),
      classes,
      enrollments: studentSlots * periods + classes * 2,
      schools: schools.length,
    }),
  };
}

function schoolsOf(of: {
  readonly seed: number;
  readonly students: number;
  readonly identifier: string;
}): readonly School[] {
  const count = Math.max(2, Math.ceil(of.students / studentsPerSchool));
  const share = (index: number): number => Math.floor((index * of.students) / count);
  const schools: School[] = [];
  for (let index = 0; index < count; index++) {
    const level = levels[index % levels.length] ?? levels[0];
    const before = schools.at(-1);
    const students = next(before?.students, share(index + 1) - share(index), 50);
    const cohort = Math.max(1, Math.ceil(students.present / level.grades));
    const sections = Math.max(1, Math.round(cohort / studentsPerClass));
    const identifier = `${of.identifier}${digits(index + 101, 5)}`;
    const place = placeNames[(hash(of.seed, 3, 0) + index) % placeNames.length] ?? "";
    const round = Math.floor(index / placeNames.length);
    schools.push({
      index,
      id: `school-${identifier}`,
      identifier,
      name: `${place}${round === 0 ? "" : ` ${round + 1}`} ${level.word}`,
      firstGrade: level.firstGrade,
      grades: level.grades,
      students,
      teachers: next(before?.teachers, Math.max(2, Math.ceil(students.present / studentsPerTeacher)), 20),
      cohort,
      sections,
      classStart: before ? before.classStart + before.classes : 0,
      classes: level.grades * periods * sections,
    });
  }
  return schools;
}

function next(before: Block | undefined, present: number, presentPerLate: number): Block {
  return {
    start: before ? before.start + before.present + before.late : 0,
    present,
    late: Math.ceil(present / presentPerLate),
    lateStart: before ? before.lateStart + before.late : 0,
  };
}

function owners(slots: number, schools: readonly School[], startOf: (school: School) => number): Uint32Array {
  const owner = new Uint32Array(slots);
  for (const school of schools) owner.fill(school.index, startOf(school));
  return owner;
}

function pulsesOf(seed: number, sizes: Readonly<Record<Sized, number>>): Readonly<Record<PulseName, Pulse>> {
  const make = (name: PulseName, purpose: number): Pulse => {
    const { of, longest, atLeast } = pulseRates[name];
    return pulse(seed, 100 + purpose, { count: sizes[of], longest, atLeast });
  };
  return {
    leaving: make("leaving", 0),
    arriving: make("arriving", 1),
    familyName: make("familyName", 2),
    preferredName: make("preferredName", 3),
    grade: make("grade", 4),
    enabled: make("enabled", 5),
    phone: make("phone", 6),
    birthplace: make("birthplace", 7),
    roleBegin: make("roleBegin", 8),
    teacherLeaving: make("teacherLeaving", 9),
    teacherArriving: make("teacherArriving", 10),
    secondSchool: make("secondSchool", 11),
    classGone: make("classGone", 12),
    location: make("location", 13),
    takeover: make("takeover", 14),
    moving: make("moving", 15),
    dropping: make("dropping", 16),
    enrollmentBegin: make("enrollmentBegin", 17),
    schoolName: make("schoolName", 18),
  };
}

/** The school with this index. @throws RangeError when there is none: a slot was computed wrongly. */
export function schoolAt(of: District, index: number | undefined): School {
  const school = index === undefined ? undefined : of.schools[index];
  if (school === undefined) throw new RangeError("no such school");
  return school;
}

/** The number in decimal, zero-padded: ids of one length sort as their numbers do. */
export function digits(value: number, width: number): string {
  return String(value).padStart(width, "0");
}

/** A city for an index: places of birth, addresses of schools. */
export function cityAt(index: number): string {
  return cities[index % cities.length] ?? "";
}

/** A date of the school year: `yearBack` 1 is the calendar year in which it begins. */
export function dateIn(of: District, yearBack: 0 | 1, monthAndDay: string): string {
  return `${of.schoolYear - yearBack}-${monthAndDay}`;
}
