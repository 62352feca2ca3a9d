// Reads the facts from which teachers' rosters follow, for a few persons or classes at a time, and keeps what was
// published of them. What counts on a day is decided elsewhere: libs/domain/roster.ts.

import type { Knex } from "knex";

import type { ClassFacts, Student, StudentPlace, TeacherPlace, Term } from "../../domain/roster.ts";

type Rows<Row> = { readonly rows: readonly Row[] };

/** Organisations and sessions of a district: few enough to be held. */
export type Frame = {
  readonly orgs: ReadonlyMap<string, OrgRow>;
  readonly terms: ReadonlyMap<string, Term>;
};

type OrgRow = {
  readonly sourcedId: string;
  readonly name: string;
  readonly identifier: string | null;
  readonly parentId: string | null;
};

export async function frameOf(sql: Knex, district: string): Promise<Frame> {
  const orgs: readonly OrgRow[] = await sql("roster_orgs")
    .where({ district })
    .select("sourced_id as sourcedId", "name", "identifier", "parent_id as parentId");
  const { rows: terms } = await sql.raw<Rows<Term>>(
    `select sourced_id as "sourcedId", title, to_char(start_date, 'YYYY-MM-DD') as "startDate",
       to_char(end_date, 'YYYY-MM-DD') as "endDate"
     from roster_sessions where district = ?`,
    [district],
  );
  return {
    orgs: new Map(orgs.map((org) => [org.sourcedId, org])),
    terms: new Map(terms.map((term) => [term.sourcedId, term])),
  };
}

/** Persons of whom something is published, and those whose rosters may be: all who teach, or those with a grant. Sorted. */
export async function personsToLookAt(
  sql: Knex,
  district: string,
  audience: "none" | "granted" | "all",
): Promise<readonly string[]> {
  const candidates = {
    none: "",
    granted: "union select person from registrations where district = :district and status = 'granted'",
    all: `union select p.person from roster_enrollments e
          join person_users p on p.district = e.district and p.sourced_id = e.user_id
          where e.district = :district and e.role = 'teacher'`,
  };
  const { rows } = await sql.raw<Rows<{ readonly person: string }>>(
    `select person from teacher_rosters where district = :district ${candidates[audience]} order by person`,
    { district },
  );
  return rows.map(({ person }) => person);
}

/** Which of the persons may have their rosters published. */
export async function admitted(
  sql: Knex,
  district: string,
  options: {
    readonly persons: readonly string[];
    readonly audience: "none" | "granted" | "all";
    readonly isPilot: boolean;
  },
): Promise<ReadonlySet<string>> {
  const { persons, audience, isPilot } = options;
  if (audience === "none") return new Set();
  const granted =
    "and exists (select 1 from registrations r where r.district = :district and r.person = p.id and r.status = 'granted')";
  const named = `and exists (select 1 from pilot_teachers t join person_users u on u.own = t.person
    where t.district = :district and u.person = p.id)`;
  const { rows } = await sql.raw<Rows<{ readonly id: string }>>(
    `select p.id from persons p where p.district = :district and p.id = any(cast(:persons as uuid[]))
     ${audience === "granted" ? granted : ""} ${isPilot ? named : ""}`,
    { district, persons: [...persons] },
  );
  return new Set(rows.map(({ id }) => id));
}

/** Users who are enrolled as teachers and nobody's yet. */
export async function teachersWithoutPerson(sql: Knex, district: string): Promise<readonly string[]> {
  const { rows } = await sql.raw<Rows<{ readonly user: string }>>(
    `select distinct e.user_id as user from roster_enrollments e
     join roster_users u on u.district = e.district and u.sourced_id = e.user_id
     where e.district = ? and e.role = 'teacher' and not exists (
       select 1 from person_users p where p.district = e.district and p.sourced_id = e.user_id)
     order by 1`,
    [district],
  );
  return rows.map(({ user }) => user);
}

/** A person's place as a teacher of a class. */
export type PersonPlace = TeacherPlace & { readonly person: string; readonly classId: string };

export async function teacherPlaces(
  sql: Knex,
  district: string,
  persons: readonly string[],
): Promise<readonly PersonPlace[]> {
  const { rows } = await sql.raw<Rows<PersonPlace>>(
    `select p.person, e.class_id as "classId", e.user_id as user, u.enabled, coalesce(e.is_primary, false) as "isPrimary",
       to_char(e.begin_date, 'YYYY-MM-DD') as "beginDate", to_char(e.end_date, 'YYYY-MM-DD') as "endDate"
     from person_users p
     join roster_users u on u.district = p.district and u.sourced_id = p.sourced_id
     join roster_enrollments e on e.district = p.district and e.user_id = p.sourced_id and e.role = 'teacher'
     where p.district = ? and p.person = any(cast(? as uuid[]))`,
    [district, [...persons]],
  );
  return rows;
}

type ClassRow = Omit<ClassFacts, "course" | "school" | "terms" | "students"> & {
  readonly courseId: string | null;
  readonly courseTitle: string | null;
  readonly courseCode: string | null;
  readonly termIds: readonly string[];
};

/** The classes that exist of these, by sourcedId. */
export async function classFacts(
  sql: Knex,
  district: string,
  about: { readonly classes: readonly string[]; readonly frame: Frame },
): Promise<ReadonlyMap<string, ClassFacts>> {
  const { rows } = await sql.raw<Rows<ClassRow>>(
    `select c.sourced_id as "sourcedId", c.title, c.class_code as "classCode", c.class_type as "classType", c.location,
       c.grades, c.subjects, c.periods, c.school_id as "schoolId", c.term_ids as "termIds",
       o.sourced_id as "courseId", o.title as "courseTitle", o.course_code as "courseCode"
     from roster_classes c left join roster_courses o on o.district = c.district and o.sourced_id = c.course_id
     where c.district = ? and c.sourced_id = any(?)`,
    [district, [...about.classes]],
  );
  const students = await studentsOf(sql, district, about.classes);
  return new Map(rows.map((row) => [row.sourcedId, factsOf(row, about.frame, students.get(row.sourcedId) ?? [])]));
}

function factsOf(row: ClassRow, { orgs, terms }: Frame, students: readonly StudentPlace[]): ClassFacts {
  const { courseId, courseTitle, courseCode, termIds, ...rest } = row;
  const school = orgs.get(row.schoolId);
  return {
    ...rest,
    course: courseId === null ? null : { sourcedId: courseId, title: courseTitle ?? "", courseCode },
    school:
      school === undefined ? null : { sourcedId: school.sourcedId, name: school.name, identifier: school.identifier },
    terms: termIds.flatMap((id) => terms.get(id) ?? []),
    students,
  };
}

type StudentRow = Student & Omit<StudentPlace, "student"> & { readonly classId: string };

async function studentsOf(
  sql: Knex,
  district: string,
  classes: readonly string[],
): Promise<ReadonlyMap<string, readonly StudentPlace[]>> {
  const { rows } = await sql.raw<Rows<StudentRow>>(
    `select e.class_id as "classId", to_char(e.begin_date, 'YYYY-MM-DD') as "beginDate",
       to_char(e.end_date, 'YYYY-MM-DD') as "endDate", u.enabled, u.sourced_id as "sourcedId",
       u.given_name as "givenName", u.family_name as "familyName", u.preferred_given_name as "preferredGivenName",
       u.preferred_family_name as "preferredFamilyName", u.username, u.email, u.grades
     from roster_enrollments e join roster_users u on u.district = e.district and u.sourced_id = e.user_id
     where e.district = ? and e.class_id = any(?) and e.role = 'student'`,
    [district, [...classes]],
  );
  const byClass = new Map<string, StudentPlace[]>();
  for (const { classId, beginDate, endDate, enabled, ...student } of rows) {
    const places = byClass.get(classId) ?? [];
    byClass.set(classId, places);
    places.push({ beginDate, endDate, enabled, student });
  }
  return byClass;
}

/** A class of a person that is published, and the hash of what is. */
export type PublishedRoster = { readonly person: string; readonly classId: string; readonly hash: string };

export async function publishedOf(
  sql: Knex,
  district: string,
  persons: readonly string[],
): Promise<readonly PublishedRoster[]> {
  const { rows } = await sql.raw<Rows<PublishedRoster>>(
    `select person, class_id as "classId", encode(hash, 'hex') as hash from teacher_rosters
     where district = ? and person = any(cast(? as uuid[]))`,
    [district, [...persons]],
  );
  return rows;
}

/** Remembers what is published from now on. */
export async function rememberPublished(
  sql: Knex.Transaction,
  district: string,
  published: readonly PublishedRoster[],
): Promise<void> {
  if (published.length === 0) return;
  await sql.raw(
    `insert into teacher_rosters (district, person, class_id, hash, published_at)
     select ?, person, class_id, decode(hash, 'hex'), clock_timestamp()
     from unnest(cast(? as uuid[]), cast(? as text[]), cast(? as text[])) as p (person, class_id, hash)
     on conflict (district, person, class_id) do update set hash = excluded.hash, published_at = excluded.published_at`,
    [
      district,
      published.map(({ person }) => person),
      published.map(({ classId }) => classId),
      published.map(({ hash }) => hash),
    ],
  );
}

/** Forgets what is published no more. */
export async function forgetPublished(
  sql: Knex.Transaction,
  district: string,
  gone: readonly Pick<PublishedRoster, "person" | "classId">[],
): Promise<void> {
  if (gone.length === 0) return;
  await sql.raw(
    `delete from teacher_rosters t using unnest(cast(? as uuid[]), cast(? as text[])) as g (person, class_id)
     where t.district = ? and t.person = g.person and t.class_id = g.class_id`,
    [gone.map(({ person }) => person), gone.map(({ classId }) => classId), district],
  );
}

/** Makes the transaction's queries go by index: what it filled itself has no statistics, and every query here is for few rows. */
export async function preferIndexes(sql: Knex.Transaction): Promise<void> {
  for (const setting of ["enable_seqscan", "enable_hashjoin", "enable_mergejoin"])
    await sql.raw("set local ?? = off", [setting]);
}
