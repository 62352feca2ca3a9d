// Which classes a teacher sees, and with whom in them, as tables of cases.

import t from "tap";

import {
  audienceOf,
  type ClassFacts,
  classState,
  orgsInScope,
  rosterOf,
  type Rules,
  type Student,
  type StudentPlace,
  type TeacherPlace,
} from "../../libs/domain/roster.ts";

const always = { beginDate: null, endDate: null, enabled: true };
const rules: Rules = { today: "2025-10-01", classWindow: { leadDays: 14, trailDays: 14 }, orgs: null };
const place: TeacherPlace = { ...always, user: "t1", isPrimary: true };
const term = { sourcedId: "term", title: "Term", startDate: "2025-08-18", endDate: "2026-01-12" };

function student(sourcedId: string, familyName = sourcedId, givenName = "Given"): Student {
  const none = { preferredGivenName: null, preferredFamilyName: null, username: null, email: null };
  return { sourcedId, familyName, givenName, ...none, grades: [] };
}

function enrolled(who: Student, dates: Partial<StudentPlace> = {}): StudentPlace {
  return { ...always, ...dates, student: who };
}

const mathematics: ClassFacts = {
  sourcedId: "c1",
  title: "Mathematics",
  classCode: null,
  classType: "scheduled",
  location: null,
  grades: [],
  subjects: [],
  periods: [],
  schoolId: "school",
  course: null,
  school: null,
  terms: [term],
  students: [enrolled(student("s1"))],
};

t.test("an enrollment counts from its first day until the day before its end, C050", async (t) => {
  const cases: readonly (readonly [Partial<TeacherPlace>, boolean])[] = [
    [{}, true],
    [{ beginDate: "2025-10-01" }, true],
    [{ beginDate: "2025-10-02" }, false],
    [{ endDate: "2025-10-02" }, true],
    [{ endDate: "2025-10-01" }, false],
    [{ beginDate: "2025-09-30", endDate: "2025-10-02" }, true],
    [{ enabled: false }, false],
  ];
  for (const [dates, isSeen] of cases) {
    t.equal(rosterOf(mathematics, [{ ...place, ...dates }], rules) !== null, isSeen, JSON.stringify(dates));
    const { enabled = true, beginDate = null, endDate = null } = dates;
    const students = [enrolled(student("s1"), { enabled, beginDate, endDate })];
    t.equal(rosterOf({ ...mathematics, students }, [place], rules)?.students.length, isSeen ? 1 : 0);
  }
});

t.test("every enrollment as a teacher counts, primary or not; two users of one person are one teacher", async (t) => {
  const other = { ...place, user: "t0", isPrimary: false };
  t.match(rosterOf(mathematics, [other], rules), { primary: false, teachers: ["t0"] });
  t.match(rosterOf(mathematics, [place, other], rules), { primary: true, teachers: ["t0", "t1"] });
  t.match(rosterOf(mathematics, [{ ...place, enabled: false }, other], rules), { primary: false, teachers: ["t0"] });
  t.equal(rosterOf(mathematics, [], rules), null);
});

t.test("C048 C049 C050 a class is shown some days before its terms and archived some days after", async (t) => {
  const spring = { startDate: "2026-01-12", endDate: "2026-06-06" };
  const fall = { startDate: "2025-08-18", endDate: "2026-01-12" };
  const cases: readonly (readonly [string, readonly (typeof fall)[], string])[] = [
    ["2025-08-03", [fall, spring], "future"],
    ["2025-08-04", [fall, spring], "current"],
    ["2025-12-28", [spring], "future"],
    ["2025-12-29", [spring], "current"],
    ["2026-06-19", [spring, fall], "current"],
    ["2026-06-20", [spring, fall], "archived"],
    ["1999-01-01", [], "current"],
  ];
  const { classWindow } = rules;
  for (const [today, terms, state] of cases)
    t.equal(classState(terms, { today, classWindow }), state, `${today}, ${terms.length} terms`);
  const none = { leadDays: 0, trailDays: 0 };
  t.equal(classState([fall], { today: "2025-08-17", classWindow: none }), "future");
  t.equal(classState([fall], { today: "2026-01-11", classWindow: none }), "current");
  t.equal(classState([fall], { today: "2026-01-12", classWindow: none }), "archived");
  t.equal(rosterOf(mathematics, [place], { ...rules, today: "2025-08-03" }), null, "not yet");
  t.equal(rosterOf(mathematics, [place], { ...rules, today: "2026-03-01" })?.state, "archived", "still shown");
});

t.test("C019 a class is shown if its school is in the scope, or below an org that is", async (t) => {
  const orgs = [
    { sourcedId: "district", parentId: null },
    { sourcedId: "area", parentId: "district" },
    { sourcedId: "school", parentId: "area" },
    { sourcedId: "other", parentId: "district" },
    { sourcedId: "a", parentId: "b" },
    { sourcedId: "b", parentId: "a" },
  ];
  t.equal(orgsInScope(orgs, []), null, "an empty scope is all");
  t.same([...(orgsInScope(orgs, ["area"]) ?? [])], ["area", "school"]);
  t.same([...(orgsInScope(orgs, ["a"]) ?? [])], ["a", "b"], "a cycle ends");
  t.same([...(orgsInScope(orgs, ["unknown"]) ?? [])], ["unknown"]);
  t.not(rosterOf(mathematics, [place], { ...rules, orgs: orgsInScope(orgs, ["district"]) }), null);
  t.equal(rosterOf(mathematics, [place], { ...rules, orgs: orgsInScope(orgs, ["other"]) }), null);
});

t.test("C018 a class is whole without course, school and terms", async (t) => {
  const bare = rosterOf({ ...mathematics, terms: [] }, [place], rules);
  t.match(bare, { class: "c1", course: null, school: null, terms: [], state: "current" });
});

t.test("students stand by name and terms by day, each once, whatever the order of the rows", async (t) => {
  const students = [
    enrolled(student("s3", "Brown", "Zoe")),
    enrolled(student("s2", "Brown", "Ann")),
    enrolled(student("s1", "Brown", "Ann")),
    enrolled(student("s9", "Adams", "Zoe")),
    enrolled(student("s3", "Brown", "Zoe"), { beginDate: "2025-09-01" }),
  ];
  const later = { ...term, sourcedId: "later", startDate: "2025-09-01" };
  const terms = [later, term, later];
  const one = rosterOf({ ...mathematics, students, terms }, [place], rules);
  t.same(
    one?.students.map(({ sourcedId }) => sourcedId),
    ["s9", "s1", "s2", "s3"],
  );
  t.same(
    one?.terms.map(({ sourcedId }) => sourcedId),
    ["term", "later"],
  );
  const turned = { ...mathematics, students: students.toReversed(), terms: terms.toReversed() };
  t.same(rosterOf(turned, [place], rules), one);
});

t.test("A109 C002 C032 whose rosters are shown follows from state, policy and day", async (t) => {
  const cases: readonly (readonly [string, "lazy" | "eager", string | null, string, boolean])[] = [
    ["setup", "eager", null, "none", false],
    ["leaving", "eager", null, "none", false],
    ["released", "lazy", null, "granted", false],
    ["released", "eager", null, "all", false],
    ["pilot", "lazy", null, "granted", true],
    ["pilot", "eager", null, "all", true],
    ["released", "eager", "2025-10-02", "none", false],
    ["released", "eager", "2025-10-01", "all", false],
  ];
  for (const [state, rosters, startDate, persons, isPilot] of cases)
    t.same(
      audienceOf(state, { rosters, startDate }, "2025-10-01"),
      { persons, isPilot },
      `${state} ${rosters} from ${startDate ?? "ever"}`,
    );
});
