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

/** Record types by the full names of their schemas. */
export type Records = {
  readonly "rollcall.control.Delivery": Delivery;
  readonly "rollcall.control.Request": Request;
  readonly "rollcall.control.Plan": Plan;
  readonly "rollcall.control.Decision": Decision;
  readonly "rollcall.control.Changeset": Changeset;
  readonly "rollcall.control.Notice": Notice;
  readonly "rollcall.roster.Changeset": ChangesetMarker;
};
