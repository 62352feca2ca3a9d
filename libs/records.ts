// The records of the control topics as TypeScript types. A test holds each against its Avro schema in schemas/.
// Times are epoch milliseconds; dates are YYYY-MM-DD in the district's own time zone; hashes are hex.

/** What a delivery holds of one entity type, and what may be concluded from its silence. */
export type DeliveredType = {
  readonly type: string;
  readonly mode: string;
  readonly absence: boolean;
  readonly suspended: boolean;
  readonly derived: boolean;
  readonly content: number;
  readonly absent: number;
  readonly unknown: number;
  readonly hash: string;
};

/** One complete, accepted delivery and the range of entities.<district> that it filled. */
export type Delivery = {
  readonly delivery: string;
  readonly district: string;
  readonly source: string;
  readonly sequence: number;
  readonly attempt: number;
  readonly basis: string | null;
  readonly generation: string;
  readonly from: number;
  readonly to: number;
  readonly version: string;
  readonly set: string;
  readonly asOf: string;
  readonly policy: string;
  readonly rules: string;
  readonly acceptedAt: number;
  readonly types: readonly DeliveredType[];
  readonly causes: readonly string[];
};

export type Request = {
  readonly district: string;
  readonly source: string;
  readonly delivery: string;
  readonly wish: string;
  readonly reason: string;
  readonly at: number;
};

export type PlanPart = {
  readonly type: string;
  /** created, updated, deleted; or dangling: it stays, and refers to something that is deleted. */
  readonly op: string;
  readonly count: number;
  readonly held: number;
  readonly causes: readonly string[];
  readonly sample: readonly string[];
};

export type Plan = {
  readonly district: string;
  readonly source: string;
  readonly delivery: string;
  readonly version: number;
  readonly state: string;
  readonly verdict: string;
  readonly cause: string | null;
  readonly parts: readonly PlanPart[];
  readonly since: number;
  readonly at: number;
};

export type Decision = {
  readonly decision: string;
  readonly district: string;
  readonly version: number;
  readonly verdict: string;
  readonly types: readonly string[];
  readonly cause: string | null;
  readonly by: string;
  readonly at: number;
};

export type Count = { readonly type: string; readonly op: string; readonly count: number };

export type Changeset = {
  readonly district: string;
  readonly number: number;
  readonly delivery: string;
  readonly plan: number;
  readonly generation: string;
  readonly from: number;
  readonly to: number;
  readonly counts: readonly Count[];
  readonly hash: string;
  readonly at: number;
  /** The district has left: this is its last record, and there is no delivery, plan or change in it. */
  readonly left: boolean;
};

/** The marker that ends a changeset on roster.<district>. */
export type ChangesetMarker = {
  readonly number: number;
  readonly from: number;
  readonly delivery: string;
  readonly counts: readonly Count[];
  readonly hash: string;
  readonly at: number;
};

export type Notice = {
  readonly district: string;
  readonly code: string;
  readonly severity: string;
  readonly message: string;
  readonly remedy: string;
  readonly since: number;
  readonly at: number;
};

/** Someone signed in. What is null or empty keeps the value of an earlier login of the same subject. */
export type Login = {
  readonly eventId: string;
  readonly district: string;
  readonly issuer: string;
  readonly subject: string;
  readonly at: number;
  readonly sourcedId: string | null;
  readonly userIds: readonly { readonly type: string; readonly identifier: string }[];
  readonly username: string | null;
  readonly email: string | null;
  readonly given: string | null;
  readonly family: string | null;
  readonly role: string | null;
};

/** Which login a fact is about. */
export type LoginName = { readonly district: string; readonly issuer: string; readonly subject: string };

export type SchoolChoice = LoginName & { readonly school: string; readonly at: number };

export type LinkDecision = LoginName & {
  /** link: the login is these users, who are one person; undo: it is not the person it is linked to. */
  readonly verdict: string;
  readonly users: readonly string[];
  /** Whom an undo is about; null: whoever the login is linked to. */
  readonly person: string | null;
  readonly by: string;
  readonly at: number;
};

export type AccountLink = LoginName & { readonly proof: string; readonly at: number };

export type Account = {
  readonly account: string;
  readonly product: string;
  readonly email: string | null;
  readonly link: AccountLink | null;
  readonly active: boolean;
  readonly at: number;
};

/** Organisations by their NCES ids; days of a district's own calendar, `validTo` exclusive. */
export type License = {
  readonly license: string;
  readonly product: string;
  readonly orgs: readonly string[];
  readonly validFrom: string | null;
  readonly validTo: string | null;
  readonly seats: number | null;
  readonly at: number;
};

export type Registration = {
  readonly district: string;
  readonly person: string;
  readonly product: string;
  readonly status: string;
  readonly reason: string;
  readonly basis: string | null;
  readonly account: string | null;
  readonly license: string | null;
  readonly since: number;
  readonly welcome: string | null;
  readonly at: number;
};

export type TeacherRosterStudent = {
  readonly sourcedId: string;
  readonly givenName: string;
  readonly familyName: string;
  readonly preferredGivenName: string | null;
  readonly preferredFamilyName: string | null;
  readonly username: string | null;
  readonly email: string | null;
  readonly grades: readonly string[];
};

export type TeacherRoster = {
  readonly person: string;
  readonly teachers: readonly string[];
  readonly class: string;
  readonly title: string;
  readonly classCode: string | null;
  readonly classType: string | null;
  readonly location: string | null;
  readonly grades: readonly string[];
  readonly subjects: readonly string[];
  readonly periods: readonly string[];
  readonly primary: boolean;
  readonly state: string;
  readonly course: { readonly sourcedId: string; readonly title: string; readonly courseCode: string | null } | null;
  readonly school: { readonly sourcedId: string; readonly name: string; readonly identifier: string | null } | null;
  readonly terms: readonly {
    readonly sourcedId: string;
    readonly title: string;
    readonly startDate: string;
    readonly endDate: string;
  }[];
  readonly students: readonly TeacherRosterStudent[];
  readonly changeset: number;
  readonly at: number;
};

/** Record types by the full names of their schemas. */
export type Records = {
  readonly "rollcall.control.Delivery": Delivery;
  readonly "rollcall.control.Request": Request;
  readonly "rollcall.control.Plan": Plan;
  readonly "rollcall.control.Decision": Decision;
  readonly "rollcall.control.Changeset": Changeset;
  readonly "rollcall.control.Notice": Notice;
  readonly "rollcall.control.Login": Login;
  readonly "rollcall.control.SchoolChoice": SchoolChoice;
  readonly "rollcall.control.LinkDecision": LinkDecision;
  readonly "rollcall.control.Account": Account;
  readonly "rollcall.control.License": License;
  readonly "rollcall.roster.Changeset": ChangesetMarker;
  readonly "rollcall.registration.Registration": Registration;
  readonly "rollcall.teacher.TeacherRoster": TeacherRoster;
};
