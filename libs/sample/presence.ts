// Who is there on a night, who attends which class and who teaches it.
// Keeps true: every answer follows from the district, the slot and the world alone, in constant time.

import { type District, type School, periods, schoolAt } from "./district.ts";
import { hash, isOn, lastHit, version } from "./schedule.ts";

/** What the district looks like at one moment: the night, and what is strange about it. */
export type World = { readonly night: number; readonly renamed: boolean; readonly dropped: boolean };

/** Whether the student is there. In a drop all students of one school are missing. */
export function studentPresent(of: District, student: number, world: World): boolean {
  const school = schoolAt(of, of.schoolOfStudent[student]);
  if (world.dropped && school.index === hash(of.seed, 4, 0) % of.schools.length) return false;
  const place = student - school.students.start - school.students.present;
  return place < 0
    ? !isOn(of.pulses.leaving, student, world.night)
    : isOn(of.pulses.arriving, school.students.lateStart + place, world.night);
}

/** The night on which the student came or left last, drops aside; 1 when neither happened. */
export function studentSince(of: District, student: number, night: number): number {
  const { students } = schoolAt(of, of.schoolOfStudent[student]);
  const place = student - students.start - students.present;
  return place < 0
    ? lastHit(of.pulses.leaving, student, night)
    : lastHit(of.pulses.arriving, students.lateStart + place, night);
}

/** Whether the teacher is there. The first teacher of a school never leaves, so that every class can have one. */
export function teacherPresent(of: District, teacher: number, world: World): boolean {
  const { teachers } = schoolAt(of, of.schoolOfTeacher[teacher]);
  if (teacher === teachers.start) return true;
  const place = teacher - teachers.start - teachers.present;
  return place < 0
    ? !isOn(of.pulses.teacherLeaving, teacher, world.night)
    : isOn(of.pulses.teacherArriving, teachers.lateStart + place, world.night);
}

/** The night on which the teacher came or left last; 1 when neither happened. */
export function teacherSince(of: District, teacher: number, night: number): number {
  const { teachers } = schoolAt(of, of.schoolOfTeacher[teacher]);
  if (teacher === teachers.start) return 1;
  const place = teacher - teachers.start - teachers.present;
  return place < 0
    ? lastHit(of.pulses.teacherLeaving, teacher, night)
    : lastHit(of.pulses.teacherArriving, teachers.lateStart + place, night);
}

/** Whether the teacher also teaches at the next school; not in the last school, so that second ids sort after first ones. */
export function teachesElsewhere(of: District, teacher: number, world: World): boolean {
  const school = schoolAt(of, of.schoolOfTeacher[teacher]);
  return school.index + 1 < of.schools.length && isOn(of.pulses.secondSchool, teacher, world.night);
}

export function classPresent(of: District, classIndex: number, world: World): boolean {
  return !isOn(of.pulses.classGone, classIndex, world.night);
}

/** Where a class stands in its school. */
export function placeOfClass(
  school: School,
  classIndex: number,
): { readonly grade: number; readonly period: number; readonly section: number } {
  const local = classIndex - school.classStart;
  const perGrade = periods * school.sections;
  return {
    grade: Math.floor(local / perGrade),
    period: Math.floor((local % perGrade) / school.sections),
    section: local % school.sections,
  };
}

/** The grade of a student within the school, from 0. */
export function gradeOfStudent(school: School, student: number): number {
  return Math.min(school.grades - 1, Math.floor(placeInSchool(school, student) / school.cohort));
}

// Late students are spread over the grades instead of filling up the highest.
function placeInSchool(school: School, student: number): number {
  const place = student - school.students.start;
  return place < school.students.present ? place : (place * 7) % (school.grades * school.cohort);
}

/** The class that a student attends in a period after having moved `moves` times; homerooms stay together, others mix. */
export function classOfStudent(
  school: School,
  of: { readonly student: number; readonly period: number; readonly moves: number },
): number {
  const grade = gradeOfStudent(school, of.student);
  const within = placeInSchool(school, of.student) - grade * school.cohort;
  const base = Math.floor((within * school.sections) / school.cohort) + within * of.period;
  const section = (base + of.moves) % school.sections;
  return school.classStart + (grade * periods + of.period) * school.sections + section;
}

/** The teacher of a class, or its second teacher; null when it has none. */
export function teacherOfClass(of: District, classIndex: number, second: boolean, world: World): number | null {
  const school = schoolAt(of, of.schoolOfClass[classIndex]);
  const start = classIndex - school.classStart + version(of.pulses.takeover, classIndex, world.night);
  const first = nextTeacher(of, school, start, world);
  if (!second) return first;
  // Every sixth class has two.
  if (classIndex % 6 !== 0) return null;
  const other = nextTeacher(of, school, first - school.teachers.start + 1, world);
  return other === first ? null : other;
}

function nextTeacher(of: District, school: School, from: number, world: World): number {
  const { start, present, late } = school.teachers;
  for (let step = 0; step < present + late; step++) {
    const teacher = start + ((from + step) % (present + late));
    if (teacherPresent(of, teacher, world)) return teacher;
  }
  return start;
}
