// What does not depend on people: organisations, sessions, courses, classes and resources.

import type { EntityType } from "../domain/oneroster/entity-types.ts";
import { type District, dateIn, gradeCodes, periods, schoolAt } from "./district.ts";
import { semestersOfPeriod, studentEnrollment, teacherEnrollment } from "./enrollments.ts";
import { resourceTitles, subjects } from "./names.ts";
import { type World, classOfStudent, classPresent, gradeOfStudent, placeOfClass } from "./presence.ts";
import { hash, isOn, latest, pulse, version } from "./schedule.ts";
import { type Table, classId, courseId, nothing, resourceId, semesterId, sessionYearId } from "./table.ts";

const classesPerResource = 20;
const coursesPerResource = 3;

/** orgs.csv: the district, then its schools. */
export function orgs(of: District): Table {
  const touch = pulse(of.seed, 40, { count: of.schools.length, longest: 97, atLeast: 1 });
  const renamings = (slot: number, { night }: { readonly night: number }): number =>
    slot === 0 ? 0 : version(of.pulses.schoolName, slot, night);
  return {
    type: "org",
    slots: 1 + of.schools.length,
    renamable: false,
    id: (slot) => (slot === 0 ? of.id : schoolAt(of, slot - 1).id),
    cells: (slot, world) => {
      if (slot === 0) return [of.name, "district", of.identifier, ""];
      const school = schoolAt(of, slot - 1);
      const renamed = renamings(slot, world) % 2 === 1;
      return [renamed ? `${school.name}, Main Campus` : school.name, "school", school.identifier, of.id];
    },
    facts: [{ fields: ["name"], state: renamings }],
    lastChange: (slot, night) => latest([touch, of.pulses.schoolName], slot, night),
    deletedWith: nothing,
  };
}

/** academicSessions.csv: the year, two semesters, four terms. A term's last day may move by one. */
export function academicSessions(of: District): Table {
  const moving = pulse(of.seed, 41, { count: 50, longest: 47, atLeast: 1 });
  const terms = [
    { start: dateIn(of, 1, "08-18"), ends: [dateIn(of, 1, "10-27"), dateIn(of, 1, "10-26")] },
    { start: dateIn(of, 1, "10-27"), ends: [dateIn(of, 0, "01-12"), dateIn(of, 0, "01-11")] },
    { start: dateIn(of, 0, "01-12"), ends: [dateIn(of, 0, "03-30"), dateIn(of, 0, "03-29")] },
    { start: dateIn(of, 0, "03-30"), ends: [dateIn(of, 0, "06-06"), dateIn(of, 0, "06-05")] },
  ] as const;
  const firstTerm = 3;
  const year = String(of.schoolYear);
  const moves = (slot: number, { night }: { readonly night: number }): number =>
    slot < firstTerm ? 0 : version(moving, slot, night);
  return {
    type: "academicSession",
    slots: firstTerm + terms.length,
    renamable: false,
    id: (slot) => {
      if (slot === 0) return sessionYearId(of);
      return slot < firstTerm ? semesterId(of, slot - 1) : `as-${year}-t${slot - firstTerm + 1}`;
    },
    cells: (slot, world) => {
      if (slot === 0) {
        return [`${of.schoolYear - 1}/${year}`, "schoolYear", terms[0].start, terms[3].ends[0], "", year];
      }
      if (slot < firstTerm) {
        const start = terms[slot === 1 ? 0 : 2].start;
        return [`Semester ${slot}`, "semester", start, terms[slot === 1 ? 1 : 3].ends[0], sessionYearId(of), year];
      }
      const term = terms[slot - firstTerm] ?? terms[0];
      const parent = semesterId(of, (slot - firstTerm) >> 1);
      const end = term.ends[moves(slot, world) % 2 === 1 ? 1 : 0];
      return [`Quarter ${slot - firstTerm + 1}`, "term", term.start, end, parent, year];
    },
    facts: [{ fields: ["endDate"], state: moves }],
    lastChange: (slot, night) => (slot < firstTerm ? 1 : latest([moving], slot, night)),
    deletedWith: nothing,
  };
}

type Taught = { readonly title: string; readonly subject: string; readonly code: string; readonly grade: string };

function taught(grade: number, period: number): Taught {
  const { title, subject, code } = subjects[period] ?? subjects[0];
  const gradeCode = gradeCodes[grade] ?? "";
  return { title: `${title} ${gradeCode}`, subject, code, grade: gradeCode };
}

/** courses.csv: one per grade and period, of the district. */
export function courses(of: District): Table {
  const slots = gradeCodes.length * periods;
  const retitled = pulse(of.seed, 42, { count: slots, longest: 97, atLeast: 1 });
  const touch = pulse(of.seed, 43, { count: slots, longest: 97, atLeast: 1 });
  return {
    type: "course",
    slots,
    renamable: false,
    id: (slot) => courseId(Math.floor(slot / periods), slot % periods),
    cells: (slot, { night }) => {
      const course = taught(Math.floor(slot / periods), slot % periods);
      const title = isOn(retitled, slot, night) ? `${course.title}, revised` : course.title;
      const code = `${course.code}-${course.grade}`;
      return [sessionYearId(of), title, code, course.grade, of.id, course.subject, course.code];
    },
    facts: [{ fields: ["title"], state: (slot, { night }) => version(retitled, slot, night) }],
    lastChange: (slot, night) => latest([retitled, touch], slot, night),
    deletedWith: nothing,
  };
}

/** classes.csv. */
export function classes(of: District): Table {
  const touch = pulse(of.seed, 44, { count: of.classes, longest: 97, atLeast: 1 });
  return {
    type: "class",
    slots: of.classes,
    renamable: false,
    id: (slot, world) => (classPresent(of, slot, world) ? classId(slot) : null),
    cells: (slot, world) => classCells(of, slot, world),
    facts: [{ fields: ["location"], state: (slot, { night }) => version(of.pulses.location, slot, night) }],
    lastChange: (slot, night) => latest([touch, of.pulses.classGone, of.pulses.location], slot, night),
    deletedWith: (slot, from) => {
      const types: EntityType[] = slot % classesPerResource === 0 ? ["classResource"] : [];
      return hasEnrollments(of, slot, from) ? [...types, "enrollment"] : types;
    },
  };
}

function classCells(of: District, slot: number, world: World): readonly string[] {
  const school = schoolAt(of, of.schoolOfClass[slot]);
  const { grade, period, section } = placeOfClass(school, slot);
  const course = taught(school.firstGrade + grade, period);
  const room = ((hash(of.seed, 45, slot) % 300) + version(of.pulses.location, slot, world.night)) % 300;
  return [
    `${course.title} - ${section + 1}`,
    course.grade,
    courseId(school.firstGrade + grade, period),
    `${course.grade}-${period}-${section + 1}`,
    period === 0 ? "homeroom" : "scheduled",
    `Room ${101 + room}`,
    school.id,
    semestersOfPeriod(period)
      .map((semester) => semesterId(of, semester))
      .join(","),
    course.subject,
    course.code,
    period === 0 ? "HR" : String(period),
  ];
}

function hasEnrollments(of: District, classIndex: number, world: World): boolean {
  if ([false, true].some((second) => teacherEnrollment(of, classIndex, second, world) !== null)) return true;
  const school = schoolAt(of, of.schoolOfClass[classIndex]);
  const { grade, period } = placeOfClass(school, classIndex);
  const { start, present, late } = school.students;
  for (let student = start; student < start + present + late; student++) {
    if (gradeOfStudent(school, student) !== grade) continue;
    const slot = of.classes * 2 + student * periods + period;
    const moves = version(of.pulses.moving, slot, world.night);
    if (classOfStudent(school, { student, period, moves }) !== classIndex) continue;
    if (studentEnrollment(of, student, period, world) !== null) return true;
  }
  return false;
}

/** resources.csv. */
export function resources(of: District): Table {
  const retitled = pulse(of.seed, 46, { count: resourceTitles.length, longest: 23, atLeast: 1 });
  return {
    type: "resource",
    slots: resourceTitles.length,
    renamable: false,
    id: (slot) => resourceId(slot),
    cells: (slot, { night }) => {
      const title = resourceTitles[slot] ?? "";
      const shown = isOn(retitled, slot, night) ? `${title} (2nd edition)` : title;
      return [`vendor-${1000 + slot}`, shown, "student,teacher", slot % 2 === 0 ? "primary" : "secondary", "", ""];
    },
    facts: [{ fields: ["title"], state: (slot, { night }) => version(retitled, slot, night) }],
    lastChange: (slot, night) => latest([retitled], slot, night),
    deletedWith: nothing,
  };
}

/** classResources.csv: every twentieth class uses one; it goes when the class does. */
export function classResources(of: District): Table {
  return {
    type: "classResource",
    slots: Math.ceil(of.classes / classesPerResource),
    renamable: false,
    id: (slot, world) =>
      classPresent(of, slot * classesPerResource, world) ? `cr-${classId(slot * classesPerResource)}` : null,
    cells: (slot) => ["", classId(slot * classesPerResource), resourceId(slot % resourceTitles.length)],
    facts: [],
    lastChange: (slot, night) => latest([of.pulses.classGone], slot * classesPerResource, night),
    deletedWith: nothing,
  };
}

/** courseResources.csv: every third course recommends one, which one may change. */
export function courseResources(of: District): Table {
  const slots = Math.ceil((gradeCodes.length * periods) / coursesPerResource);
  const swapped = pulse(of.seed, 47, { count: slots, longest: 47, atLeast: 1 });
  return {
    type: "courseResource",
    slots,
    renamable: false,
    id: (slot) => `cr-${courseOf(slot)}`,
    cells: (slot, { night }) => {
      const resource = (slot + version(swapped, slot, night)) % resourceTitles.length;
      return ["Recommended", courseOf(slot), resourceId(resource)];
    },
    facts: [{ fields: ["resourceSourcedId"], state: (slot, { night }) => version(swapped, slot, night) }],
    lastChange: (slot, night) => latest([swapped], slot, night),
    deletedWith: nothing,
  };
}

function courseOf(slot: number): string {
  const course = slot * coursesPerResource;
  return courseId(Math.floor(course / periods), course % periods);
}
