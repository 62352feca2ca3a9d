// How far a district's changesets are applied, and for which day and under which rules its published rosters are true.

import type { Knex } from "knex";

import type { Policy } from "../../domain/policy.ts";
import { AppError } from "../../errors.ts";
import { storedPolicy } from "./districts.ts";

export type RosterPosition = {
  readonly generation: string;
  /** One beyond the last record that is applied, and the changeset that ends there. */
  readonly next: number;
  readonly changeset: number;
};

/** What, besides the roster and the grants, decides what is published. */
export type DistrictStanding = {
  readonly state: string;
  readonly policy: Policy;
  /** Differs when state, policy or the teachers of the pilot differ. */
  readonly fingerprint: string;
};

const fingerprintOf = `md5(concat_ws(' ', d.state, d.policy::text,
  (select string_agg(t.person::text, ' ' order by t.person) from pilot_teachers t where t.district = d.id)))`;

/** @throws AppError `district.unknown`. */
export async function standingOf(sql: Knex, district: string): Promise<DistrictStanding> {
  const { rows } = await sql.raw<{
    readonly rows: readonly {
      readonly state: string;
      readonly policy: unknown;
      readonly fingerprint: string;
    }[];
  }>(`select d.state, d.policy, ${fingerprintOf} as fingerprint from districts d where d.id = ?`, [district]);
  const [row] = rows;
  if (row === undefined) throw new AppError("district.unknown", { message: `there is no district ${district}` });
  return { ...row, policy: storedPolicy(row.policy) };
}

/** @returns null when no changeset was applied yet. */
export async function positionOf(sql: Knex, district: string): Promise<RosterPosition | null> {
  const row: RosterPosition | undefined = await sql("roster_positions")
    .where({ district })
    .first("generation", "next_offset as next", "changeset");
  return row ?? null;
}

export async function savePosition(
  sql: Knex.Transaction,
  district: string,
  position: RosterPosition & { readonly day: string; readonly fingerprint: string; readonly at: Date },
): Promise<void> {
  const { generation, next, changeset, day, fingerprint, at } = position;
  const row = { generation, next_offset: next, changeset, as_of: day, standing: fingerprint, applied_at: at };
  await sql("roster_positions")
    .insert({ district, ...row })
    .onConflict("district")
    .merge(row);
}

/** Every district, or one, with what tells whether its rosters must be looked at as a whole: their day, and whether the rules changed. */
export async function districtDays(
  sql: Knex,
  district: string | null = null,
): Promise<
  readonly {
    readonly district: string;
    readonly timeZone: string | null;
    /** Null when no changeset was applied yet. */
    readonly asOf: string | null;
    readonly isChanged: boolean;
  }[]
> {
  const { rows } = await sql.raw<{
    readonly rows: readonly {
      readonly district: string;
      readonly timeZone: string | null;
      readonly asOf: string | null;
      readonly isChanged: boolean;
    }[];
  }>(
    `select d.id as district, d.policy ->> 'timeZone' as "timeZone", to_char(p.as_of, 'YYYY-MM-DD') as "asOf",
       coalesce(p.standing <> ${fingerprintOf}, false) as "isChanged"
     from districts d left join roster_positions p on p.district = d.id
     where d.id = coalesce(?, d.id) order by d.id`,
    [district],
  );
  return rows;
}

/** A person whose rosters must be looked at, and the mark as it was read. */
export type DuePerson = { readonly person: string; readonly mark: number };

export async function dueDistricts(sql: Knex): Promise<readonly string[]> {
  const rows: readonly { readonly district: string }[] = await sql("roster_due").distinct("district");
  return rows.map(({ district }) => district);
}

export async function duePersons(sql: Knex, district: string, most: number): Promise<readonly DuePerson[]> {
  return sql("roster_due").where({ district }).orderBy("person").limit(most).select("person", "mark");
}

/** Takes the marks away that are still as they were read: one that was set meanwhile stays. */
export async function takeMarks(sql: Knex.Transaction, district: string, due: readonly DuePerson[]): Promise<void> {
  await sql.raw(
    `delete from roster_due d using unnest(cast(? as uuid[]), cast(? as bigint[])) as seen (person, mark)
     where d.district = ? and d.person = seen.person and d.mark = seen.mark`,
    [due.map(({ person }) => person), due.map(({ mark }) => mark), district],
  );
}
