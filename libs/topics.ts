// Every topic of the system, once: name, key, record types, how it is kept, who writes and who reads.
// The table in the README and the access rules are made from this list.

import type { DistrictId } from "./domain/ids.ts";

const dayMs = 24 * 60 * 60 * 1000;

/** How a topic is kept: deleted by age, or compacted to the last record per key. */
type Kept =
  | { readonly policy: "delete"; readonly retentionMs: number }
  | { readonly policy: "compact"; readonly minLagMs: number; readonly maxLagMs: number; readonly tombstoneMs: number };

export type TopicDescription = {
  /** The name; `<district>` stands for the id of a district that has a topic of its own. */
  readonly name: string;
  readonly key: string;
  /** Full names of the Avro records that may stand in it. */
  readonly records: readonly string[];
  readonly holds: string;
  readonly kept: Kept;
  readonly writers: readonly string[];
  readonly readers: readonly string[];
};

const compacted: Kept = { policy: "compact", minLagMs: 7 * dayMs, maxLagMs: 14 * dayMs, tombstoneMs: 30 * dayMs };

function days(count: number): Kept {
  return { policy: "delete", retentionMs: count * dayMs };
}

/** Topics that carry work, by the inbox: small records that name ranges of data topics, and facts about people. */
export const controlTopics = {
  deliveries: {
    name: "deliveries",
    key: "district, source",
    records: ["rollcall.control.Delivery"],
    holds: "one complete, accepted delivery",
    kept: days(90),
    writers: ["ingest-sftp", "ingest-api"],
    readers: ["diff"],
  },
  requests: {
    name: "requests",
    key: "district, source",
    records: ["rollcall.control.Request"],
    holds: "fill this delivery's range again, or send the whole",
    kept: days(30),
    writers: ["diff"],
    readers: ["ingest-sftp"],
  },
  plans: {
    name: "plans",
    key: "district, source",
    records: ["rollcall.control.Plan"],
    holds: "a difference not yet published: counts, causes, sample ids, verdict, version",
    kept: days(90),
    writers: ["diff"],
    readers: ["ops", "ingest-sftp"],
  },
  decisions: {
    name: "decisions",
    key: "district",
    records: ["rollcall.control.Decision"],
    holds: "approve or reject a version of a plan, whole or in part",
    kept: days(90),
    writers: ["ops"],
    readers: ["diff"],
  },
  changesets: {
    name: "changesets",
    key: "district",
    records: ["rollcall.control.Changeset"],
    holds: "one published changeset; at last, that the district has left",
    kept: days(90),
    writers: ["diff"],
    readers: ["rosters", "ops", "ingest-sftp"],
  },
  notices: {
    name: "notices",
    key: "district, code",
    records: ["rollcall.control.Notice"],
    holds: "something a person must know: severity, since when, remedy",
    kept: days(30),
    writers: ["diff", "ingest-sftp", "ingest-api", "registration", "rosters"],
    readers: ["ops"],
  },
  logins: {
    name: "sso.logins",
    key: "district, issuer, subject",
    records: ["rollcall.control.Login", "rollcall.control.SchoolChoice", "rollcall.control.LinkDecision"],
    holds: "someone signed in, chose a school, or was matched by a person",
    kept: days(30),
    writers: ["sign-on gateway", "ops"],
    readers: ["registration"],
  },
  licenses: {
    name: "licenses",
    key: "license",
    records: ["rollcall.control.License"],
    holds: "product, government ids of organisations, validity, seats: its whole state",
    kept: compacted,
    writers: ["licensing", "ops"],
    readers: ["registration"],
  },
  accounts: {
    name: "accounts",
    key: "account",
    records: ["rollcall.control.Account"],
    holds: "link and activation of a product account: its whole state",
    kept: compacted,
    writers: ["account service", "ops"],
    readers: ["registration"],
  },
} as const satisfies Record<string, TopicDescription>;

/** Topics that carry rows, one per district and with one partition. */
export const districtTopics = {
  entities: {
    name: "entities.<district>",
    key: "entity key",
    records: ["rollcall.entity.*"],
    holds: "OneRoster entities as delivered",
    kept: days(7),
    writers: ["ingest-sftp", "ingest-api"],
    readers: ["diff"],
  },
  roster: {
    name: "roster.<district>",
    key: "entity key",
    records: ["rollcall.roster.*"],
    holds: "created, updated, deleted, then null; writer and changeset markers",
    kept: compacted,
    writers: ["diff"],
    readers: ["products", "rosters"],
  },
  registrations: {
    name: "registrations.<district>",
    key: "person, product",
    records: ["rollcall.registration.Registration"],
    holds: "granted, refused or waiting, and why: its whole state",
    kept: compacted,
    writers: ["registration"],
    readers: ["products"],
  },
  teacherRosters: {
    name: "teacher-rosters.<district>",
    key: "person, class",
    records: ["rollcall.teacher.TeacherRoster"],
    holds: "the class as that teacher sees it: students, course, school, terms",
    kept: compacted,
    writers: ["rosters"],
    readers: ["products"],
  },
} as const satisfies Record<string, TopicDescription>;

/** The kinds of topics that each district has. */
export const districtTopicKinds = [
  "entities",
  "roster",
  "registrations",
  "teacherRosters",
] as const satisfies readonly (keyof typeof districtTopics)[];

/** The name of a district's own topic. */
export function districtTopic(kind: keyof typeof districtTopics, district: DistrictId): string {
  return districtTopics[kind].name.replace("<district>", district);
}

/** The key of a control record: its parts as a JSON array, so that no delimiter can be part of an id. */
export function controlKey(...parts: readonly string[]): string {
  return JSON.stringify(parts);
}

/** Whether the first part of the topic's keys is a district. */
export function isKeyedByDistrict(topic: string): boolean {
  return Object.values(controlTopics).some(({ name, key }) => name === topic && /^district\b/u.test(key));
}

/** Every topic description, in the order of the pipeline. */
export const allTopics: readonly TopicDescription[] = [
  controlTopics.deliveries,
  controlTopics.requests,
  districtTopics.entities,
  controlTopics.plans,
  controlTopics.decisions,
  districtTopics.roster,
  controlTopics.changesets,
  controlTopics.logins,
  controlTopics.licenses,
  controlTopics.accounts,
  districtTopics.registrations,
  districtTopics.teacherRosters,
  controlTopics.notices,
];

function keptInWords(kept: Kept): string {
  return kept.policy === "delete" ? `${kept.retentionMs / dayMs} d` : "compact";
}

/** The table of topics in Markdown, as the README shows it. */
export function topicTable(): string {
  const rows = allTopics.map(
    (topic) =>
      `| \`${topic.name}\` | ${topic.key} | ${topic.holds} | ${keptInWords(topic.kept)} | ${topic.writers.join(", ")} | ${topic.readers.join(", ")} |`,
  );
  return ["| topic | key | value | kept | written by | read by |", "|---|---|---|---|---|---|", ...rows].join("\n");
}
