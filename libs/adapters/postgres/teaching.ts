// The enrollments by which a person teaches, with what decides whether their classes are shown.

import type { Knex } from "knex";

import type { Teaching } from "../../domain/registration/class-reasons.ts";
import type { Origin } from "../../domain/registration/facts.ts";

export type TeachingRow = Teaching & Origin & { readonly classId: string; readonly title: string | null };

type Row = {
  readonly class_id: string;
  readonly begin_date: string | null;
  readonly end_date: string | null;
  readonly changed_at: Date;
  readonly delivery: string | null;
  readonly origin: string | null;
  readonly title: string | null;
  readonly school_id: string | null;
  readonly terms: readonly { readonly startDate: string; readonly endDate: string }[];
  readonly students: number;
};

/** Enrollments with role teacher of these users, whatever their dates, by class. */
export async function teachingOf(
  sql: Knex,
  { district, users, today }: { readonly district: string; readonly users: readonly string[]; readonly today: string },
): Promise<readonly TeachingRow[]> {
  const { rows } = await sql.raw<{ readonly rows: readonly Row[] }>(
    `select e.class_id, to_char(e.begin_date, 'YYYY-MM-DD') as begin_date, to_char(e.end_date, 'YYYY-MM-DD') as end_date,
       e.changed_at, e.delivery, e.origin, c.title, c.school_id,
       (select coalesce(json_agg(json_build_object('startDate', s.start_date, 'endDate', s.end_date)), '[]')
         from roster_sessions s where s.district = e.district and s.sourced_id = any(c.term_ids)) as terms,
       (select count(*) from roster_enrollments p
         join roster_users u on u.district = p.district and u.sourced_id = p.user_id and u.enabled
         where p.district = e.district and p.class_id = e.class_id and p.role = 'student'
           and coalesce(p.begin_date <= :today, true) and coalesce(p.end_date > :today, true)) as students
     from roster_enrollments e left join roster_classes c on c.district = e.district and c.sourced_id = e.class_id
     where e.district = :district and e.user_id = any(cast(:users as text[])) and e.role = 'teacher'
     order by e.class_id, e.sourced_id`,
    { district, users: [...users], today },
  );
  return rows.map((row) => ({
    classId: row.class_id,
    title: row.title,
    beginDate: row.begin_date,
    endDate: row.end_date,
    class: row.school_id === null ? null : { schoolId: row.school_id, terms: row.terms, students: row.students },
    since: row.changed_at.getTime(),
    delivery: row.delivery,
    origin: row.origin,
  }));
}
