// Users, their roles and their demographics. Slots of users: guardians, then students, then teachers, as their ids sort.
// Keeps true: a guardian is there when the student is; every user has a primary role; 1.1 says roles in the user's row.

import { assert, unreachable } from "../domain/assert.ts";
import { parseSourcedId } from "../domain/ids.ts";
import { derivedRoleId } from "../domain/oneroster/derived-role.ts";
import type { EntityType } from "../domain/oneroster/entity-types.ts";
import { type District, type School, cityAt, dateIn, gradeCodes, periods, schoolAt } from "./district.ts";
import { studentEnrollment, teacherEnrollment } from "./enrollments.ts";
import { familyNames, folded, givenNames, preferredNames, pronouns } from "./names.ts";
import {
  type World,
  gradeOfStudent,
  studentPresent,
  studentSince,
  teacherOfClass,
  teacherPresent,
  teacherSince,
  teachesElsewhere,
} from "./presence.ts";
import { hash, isOn, latest, pulse, version } from "./schedule.ts";
import { type Fact, type Table, nothing } from "./table.ts";
import { type PersonKind, guardiansOf, personNumber, studentOf, studentsPerGuardian, userId } from "./user-ids.ts";

type Person = {
  readonly kind: PersonKind;
  /** Slot among its kind. */
  readonly place: number;
  readonly school: School;
};

const familyAddresses = familyNames.map((name, index) => folded(name, `family${index}`));
const givenAddresses = givenNames.map((name, index) => folded(name, `given${index}`));

// Demographics are of the students with this remainder, who are not those with guardians.
const demographicsRemainder = 5;
const rolesPerUser = 2;

function userSlots(of: District): number {
  return guardiansOf(of) + of.students + of.teachers;
}

function personAt(of: District, slot: number): Person {
  const guardians = guardiansOf(of);
  if (slot < guardians) {
    return { kind: "guardian", place: slot, school: schoolAt(of, of.schoolOfStudent[studentOf(slot)]) };
  }
  const student = slot - guardians;
  if (student < of.students) {
    return { kind: "student", place: student, school: schoolAt(of, of.schoolOfStudent[student]) };
  }
  const teacher = student - of.students;
  return { kind: "teacher", place: teacher, school: schoolAt(of, of.schoolOfTeacher[teacher]) };
}

function present(of: District, person: Person, world: World): boolean {
  switch (person.kind) {
    case "guardian":
      return studentPresent(of, studentOf(person.place), world);
    case "student":
      return studentPresent(of, person.place, world);
    case "teacher":
      return teacherPresent(of, person.place, world);
    default:
      return unreachable(person.kind);
  }
}

function since(of: District, person: Person, night: number): number {
  if (person.kind === "teacher") return teacherSince(of, person.place, night);
  return studentSince(of, person.kind === "guardian" ? studentOf(person.place) : person.place, night);
}

/** users.csv. */
export function users(of: District): Table {
  const { pulses } = of;
  const touch = pulse(of.seed, 20, { count: of.students, longest: 97, atLeast: 1 });
  const own = [touch, pulses.familyName, pulses.enabled, pulses.phone, pulses.preferredName, pulses.grade];
  return {
    type: "user",
    slots: userSlots(of),
    renamable: true,
    id: (slot, world) => {
      const person = personAt(of, slot);
      return present(of, person, world) ? userId(person.kind, person.place, world) : null;
    },
    cells: (slot, world) => userCells(of, slot, world),
    facts: userFacts(of),
    lastChange: (slot, night) => {
      const person = personAt(of, slot);
      const second = person.kind === "teacher" ? latest([pulses.secondSchool], person.place, night) : 1;
      return Math.max(latest(own, slot, night), since(of, person, night), second);
    },
    deletedWith: (slot, from, to) => deletedWithUser(of, personAt(of, slot), { from, to }),
  };
}

function userFacts(of: District): readonly Fact[] {
  const { pulses } = of;
  const guardians = guardiansOf(of);
  const teachers = guardians + of.students;
  const phoned = (slot: number): boolean => slot < guardians || slot >= teachers;
  const preferred: Fact = {
    fields: ["preferredGivenName"],
    state: (slot, { night }) => (slot < guardians ? 0 : version(pulses.preferredName, slot, night)),
  };
  return [
    { fields: ["email", "familyName"], state: (slot, { night }) => version(pulses.familyName, slot, night) },
    { fields: ["enabledUser"], state: (slot, { night }) => version(pulses.enabled, slot, night) },
    { fields: ["phone"], state: (slot, { night }) => (phoned(slot) ? version(pulses.phone, slot, night) : 0) },
    { fields: ["grades"], state: (slot, { night }) => (phoned(slot) ? 0 : version(pulses.grade, slot, night)) },
    ...(of.version === "1.1" ? [] : [preferred]),
  ];
}

function userCells(of: District, slot: number, world: World): readonly string[] {
  const person = personAt(of, slot);
  const { pulses, seed } = of;
  const number = personNumber(person.kind, person.place);
  const random = hash(seed, 21, slot);
  const given = random % givenNames.length;
  const family = ((random >>> 8) + 7 * version(pulses.familyName, slot, world.night)) % familyNames.length;
  const student = person.kind === "student";
  const middle = random % 3 === 0 ? (givenNames[(random >>> 12) % givenNames.length] ?? "") : "";
  const phone = student ? "" : phoneOf(random, version(pulses.phone, slot, world.night));
  const agent = student && person.place % studentsPerGuardian === 0 ? person.place / studentsPerGuardian : null;
  const shared = [
    number,
    student ? `{LDAP:${number}},{SIS:${900_000_000 + person.place}}` : `{LDAP:${number}}`,
    givenNames[given] ?? "",
    familyNames[family] ?? "",
    middle,
    student ? String(900_000_000 + person.place) : "",
    `${givenAddresses[given] ?? ""}.${familyAddresses[family] ?? ""}.${number}@${of.domain}`,
    "",
    phone,
    agent === null ? "" : userId("guardian", agent, world),
    student ? gradeOf(of, person, isOn(pulses.grade, slot, world.night)) : "",
    "",
  ];
  const enabled = String(!isOn(pulses.enabled, slot, world.night));
  if (of.version === "1.1") {
    const orgs = rolesOf(of, person, world).map((school) => school.id);
    return [enabled, orgs.join(","), person.kind, ...shared];
  }
  const preferred = person.kind !== "guardian" && isOn(pulses.preferredName, slot, world.night);
  return [
    enabled,
    ...shared,
    student ? `${of.identifier}-${900_000_000 + person.place}` : "",
    preferred ? (preferredNames[random % preferredNames.length] ?? "") : "",
    "",
    "",
    person.school.id,
    pronouns[(random >>> 16) % pronouns.length] ?? "",
  ];
}

// 555-0100 to 555-0199 are kept for fiction.
function phoneOf(random: number, changes: number): string {
  return `+1-${201 + (random % 700)}-555-01${String(((random >>> 10) + changes) % 100).padStart(2, "0")}`;
}

function gradeOf(of: District, person: Person, moved: boolean): string {
  const grade = person.school.firstGrade + gradeOfStudent(person.school, person.place);
  const last = gradeCodes.length - 1;
  return gradeCodes[moved ? (grade === last ? last - 1 : grade + 1) : grade] ?? "";
}

/** The schools where the person has a role, the main one first. */
function rolesOf(of: District, person: Person, world: World): readonly School[] {
  const elsewhere = person.kind === "teacher" && teachesElsewhere(of, person.place, world);
  return elsewhere ? [person.school, schoolAt(of, person.school.index + 1)] : [person.school];
}

type Step = { readonly from: World; readonly to: World };

function deletedWithUser(of: District, person: Person, step: Step): readonly EntityType[] {
  switch (person.kind) {
    case "guardian":
      // The student goes too, refers to the guardian, and may have to wait.
      return [...deletedWithUser(of, { ...person, kind: "student", place: studentOf(person.place) }, step), "user"];
    case "student": {
      const types: EntityType[] = ["role"];
      if (person.place % studentsPerGuardian === demographicsRemainder) types.push("demographics");
      for (let period = 0; period < periods; period++) {
        if (studentEnrollment(of, person.place, period, step.from) !== null) return [...types, "enrollment"];
      }
      return types;
    }
    case "teacher": {
      const { classStart, classes } = person.school;
      for (let slot = classStart * 2; slot < (classStart + classes) * 2; slot++) {
        const [classIndex, second] = [slot >> 1, slot % 2 === 1];
        if (teacherEnrollment(of, classIndex, second, step.from) === null) continue;
        if (teacherOfClass(of, classIndex, second, step.from) !== person.place) continue;
        if (teacherEnrollment(of, classIndex, second, step.to) === null) return ["role", "enrollment"];
      }
      return ["role"];
    }
    default:
      return unreachable(person.kind);
  }
}

/** roles.csv in 1.2; in 1.1 the role entities that follow from the rows of users. */
export function roles(of: District): Table {
  const touch = pulse(of.seed, 22, { count: of.students, longest: 97, atLeast: 1 });
  const derived = of.version === "1.1";
  const begin: Fact = {
    fields: ["beginDate"],
    state: (slot, { night }) => version(of.pulses.roleBegin, slot, night),
  };
  return {
    type: "role",
    slots: userSlots(of) * rolesPerUser,
    renamable: derived,
    id: (slot, world) => roleId(of, slot, world),
    cells: (slot, world) => roleCells(of, slot, world),
    facts: derived ? [] : [{ fields: ["userSourcedId"], state: (_, { renamed }) => Number(renamed) }, begin],
    lastChange: (slot, night) => {
      const person = personAt(of, slot >> 1);
      const second = slot % rolesPerUser === 1 ? latest([of.pulses.secondSchool], person.place, night) : 1;
      return Math.max(latest([touch, of.pulses.roleBegin], slot, night), since(of, person, night), second);
    },
    deletedWith: nothing,
  };
}

function roleId(of: District, slot: number, world: World): string | null {
  const person = personAt(of, slot >> 1);
  if (!present(of, person, world)) return null;
  const school = rolesOf(of, person, world)[slot % rolesPerUser];
  if (school === undefined) return null;
  if (of.version === "1.2") return `r-${personNumber(person.kind, person.place)}-${(slot % rolesPerUser) + 1}`;
  const [user, org] = [parseSourcedId(userId(person.kind, person.place, world)), parseSourcedId(school.id)];
  assert(user !== null && org !== null, "the generator's ids are sourcedIds");
  return derivedRoleId({ user, role: person.kind, org });
}

function roleCells(of: District, slot: number, world: World): readonly string[] {
  const person = personAt(of, slot >> 1);
  const second = slot % rolesPerUser;
  const late = isOn(of.pulses.roleBegin, slot, world.night);
  return [
    userId(person.kind, person.place, world),
    second === 1 ? "secondary" : "primary",
    person.kind,
    dateIn(of, 1, late ? "08-25" : "08-18"),
    "",
    rolesOf(of, person, world)[second]?.id ?? "",
    "",
  ];
}

/** demographics.csv. */
export function demographics(of: District): Table {
  const touch = pulse(of.seed, 23, { count: of.students, longest: 97, atLeast: 1 });
  const studentAt = (slot: number): number => slot * studentsPerGuardian + demographicsRemainder;
  return {
    type: "demographics",
    slots: Math.floor((of.students + studentsPerGuardian - 1 - demographicsRemainder) / studentsPerGuardian),
    renamable: true,
    id: (slot, world) =>
      studentPresent(of, studentAt(slot), world) ? userId("student", studentAt(slot), world) : null,
    cells: (slot, world) => demographicsCells(of, studentAt(slot), version(of.pulses.birthplace, slot, world.night)),
    facts: [{ fields: ["cityOfBirth"], state: (slot, { night }) => version(of.pulses.birthplace, slot, night) }],
    lastChange: (slot, night) =>
      Math.max(latest([touch, of.pulses.birthplace], slot, night), studentSince(of, studentAt(slot), night)),
    deletedWith: nothing,
  };
}

function demographicsCells(of: District, student: number, corrections: number): readonly string[] {
  const school = schoolAt(of, of.schoolOfStudent[student]);
  const random = hash(of.seed, 24, student);
  const year = of.schoolYear - 6 - school.firstGrade - gradeOfStudent(school, student);
  const month = String(1 + (random % 12)).padStart(2, "0");
  const day = String(1 + ((random >>> 4) % 28)).padStart(2, "0");
  const bit = (position: number): string => String(((random >>> position) & 1) === 1);
  return [
    `${year}-${month}-${day}`,
    bit(9) === "true" ? "female" : "male",
    ...[10, 11, 12, 13, 14, 15, 16].map(bit),
    "US",
    "",
    cityAt((random >>> 18) + corrections),
    "",
  ];
}
