// Who is in which class. Slots: two per class for its teachers, then one per student and period, as the ids sort.
// A student who moves to another section gets another enrollment; a class that loses its teacher keeps its own.
// Keeps true: an enrollment exists only when its class and its user do.

import { type District, dateIn, digits, periods, schoolAt } from "./district.ts";
import {
  type World,
  classOfStudent,
  classPresent,
  placeOfClass,
  studentPresent,
  studentSince,
  teacherOfClass,
} from "./presence.ts";
import { hash, isOn, latest, pulse, version } from "./schedule.ts";
import { type Table, classId, nothing } from "./table.ts";
import { userId } from "./user-ids.ts";

/** Periods from this one on are taught for one semester, which one depends on the period. */
const firstSemesterPeriod = 7;

/** The semesters (0, 1) in which classes of a period are taught. */
export function semestersOfPeriod(period: number): readonly number[] {
  return period < firstSemesterPeriod ? [0, 1] : [period - firstSemesterPeriod];
}

// A drop loses four enrollments in ten, at random.
function lost(of: District, slot: number, world: World): boolean {
  return world.dropped && hash(of.seed, 5, slot) % 10 < 4;
}

/** The sourcedId of a teacher's enrollment, or null when there is none in this world. */
export function teacherEnrollment(of: District, classIndex: number, second: boolean, world: World): string | null {
  if (lost(of, classIndex * 2 + Number(second), world) || !classPresent(of, classIndex, world)) return null;
  if (second && teacherOfClass(of, classIndex, second, world) === null) return null;
  return `e-c${digits(classIndex, 7)}-${second ? 2 : 1}`;
}

/** The sourcedId of a student's enrollment, or null when there is none in this world. */
export function studentEnrollment(of: District, student: number, period: number, world: World): string | null {
  const slot = of.classes * 2 + student * periods + period;
  if (!studentPresent(of, student, world) || isOn(of.pulses.dropping, slot, world.night) || lost(of, slot, world)) {
    return null;
  }
  const moves = version(of.pulses.moving, slot, world.night);
  const school = schoolAt(of, of.schoolOfStudent[student]);
  if (!classPresent(of, classOfStudent(school, { student, period, moves }), world)) return null;
  return `e-s${digits(student, 7)}-${period}-${digits(moves, 3)}`;
}

/** enrollments.csv. */
export function enrollments(of: District): Table {
  const { pulses } = of;
  const first = of.classes * 2;
  const slots = first + of.students * periods;
  const touch = pulse(of.seed, 30, { count: slots, longest: 97, atLeast: 1 });
  const own = [touch, pulses.moving, pulses.dropping, pulses.enrollmentBegin];
  return {
    type: "enrollment",
    slots,
    renamable: false,
    id: (slot, world) =>
      slot < first
        ? teacherEnrollment(of, slot >> 1, slot % 2 === 1, world)
        : studentEnrollment(of, Math.floor((slot - first) / periods), (slot - first) % periods, world),
    cells: (slot, world) => (slot < first ? teacherCells(of, slot, world) : studentCells(of, slot - first, world)),
    facts: [
      {
        fields: ["userSourcedId"],
        state: (slot, world) => {
          const teacher = slot < first ? (teacherOfClass(of, slot >> 1, slot % 2 === 1, world) ?? 0) : 0;
          return teacher * 2 + Number(world.renamed);
        },
      },
      {
        fields: ["beginDate"],
        state: (slot, world) => (slot < first ? 0 : version(pulses.enrollmentBegin, slot, world.night)),
      },
    ],
    lastChange: (slot, night) => {
      if (slot < first) return latest([touch, pulses.takeover, pulses.classGone], slot >> 1, night);
      return Math.max(latest(own, slot, night), studentSince(of, Math.floor((slot - first) / periods), night));
    },
    deletedWith: nothing,
  };
}

function teacherCells(of: District, slot: number, world: World): readonly string[] {
  const classIndex = slot >> 1;
  const second = slot % 2 === 1;
  const school = schoolAt(of, of.schoolOfClass[classIndex]);
  const [begin, end] = datesOf(of, placeOfClass(school, classIndex).period, false);
  const teacher = teacherOfClass(of, classIndex, second, world) ?? 0;
  return [classId(classIndex), school.id, userId("teacher", teacher, world), "teacher", String(!second), begin, end];
}

function studentCells(of: District, place: number, world: World): readonly string[] {
  const student = Math.floor(place / periods);
  const period = place % periods;
  const slot = of.classes * 2 + place;
  const school = schoolAt(of, of.schoolOfStudent[student]);
  const moves = version(of.pulses.moving, slot, world.night);
  const [begin, end] = datesOf(of, period, isOn(of.pulses.enrollmentBegin, slot, world.night));
  return [
    classId(classOfStudent(school, { student, period, moves })),
    school.id,
    userId("student", student, world),
    "student",
    "",
    begin,
    end,
  ];
}

function datesOf(of: District, period: number, late: boolean): readonly [string, string] {
  const semesters = semestersOfPeriod(period);
  const begin = semesters[0] === 1 ? dateIn(of, 0, late ? "01-19" : "01-12") : dateIn(of, 1, late ? "08-25" : "08-18");
  return [begin, semesters.includes(1) ? dateIn(of, 0, "06-06") : dateIn(of, 0, "01-12")];
}
