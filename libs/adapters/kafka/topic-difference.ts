// What a topic is against what it shall be. It keeps true that nothing is changed by which records would be lost that
// somebody counts on: such a difference is a refusal, with the reason, for a person to settle with Kafka's own tools.

/** A topic as it shall be; `settings` is all of them, since what is not named goes back to its default. */
export type WantedTopic = {
  readonly name: string;
  readonly partitions: number;
  readonly replication: number;
  readonly settings: Readonly<Record<string, string>>;
};

/** A topic as it is. `own` holds the settings that were made on the topic, `all` the defaults too. */
export type ActualTopic = {
  readonly partitions: number;
  /** Copies of its partition. */
  readonly replication: number;
  readonly own: Readonly<Record<string, string>>;
  readonly all: Readonly<Record<string, string>>;
};

/** One setting that differs; `shall` null: it goes back to its default. */
export type SettingChange = { readonly setting: string; readonly is: string; readonly shall: string | null };

export type TopicDifference =
  | { readonly outcome: "same"; readonly topic: string }
  | { readonly outcome: "create"; readonly topic: string }
  | { readonly outcome: "change"; readonly topic: string; readonly changes: readonly SettingChange[] }
  | { readonly outcome: "refuse"; readonly topic: string; readonly reasons: readonly string[] };

// Less of any of these forgets earlier than was promised; -1 means for ever, or without bound.
const keeping = ["retention.ms", "retention.bytes", "min.compaction.lag.ms", "delete.retention.ms"];

/** @param actual null: there is no such topic. */
export function differenceOf(wanted: WantedTopic, actual: ActualTopic | null): TopicDifference {
  const topic = wanted.name;
  if (actual === null) return { outcome: "create", topic };
  const changes = changesOf(wanted, actual);
  const reasons = [
    ...partitionReasons(wanted, actual),
    ...copyReasons(wanted, actual),
    ...changes.flatMap((change) => lossReasons(change, wanted)),
  ];
  if (reasons.length > 0) return { outcome: "refuse", topic, reasons };
  return changes.length === 0 ? { outcome: "same", topic } : { outcome: "change", topic, changes };
}

function changesOf({ settings }: WantedTopic, { own, all }: ActualTopic): readonly SettingChange[] {
  const set = Object.entries(settings).flatMap(([setting, shall]): readonly SettingChange[] => {
    const is = all[setting] ?? "";
    return is === shall ? [] : [{ setting, is, shall }];
  });
  const reset = Object.entries(own).flatMap(([setting, is]): readonly SettingChange[] =>
    setting in settings ? [] : [{ setting, is, shall: null }],
  );
  return [...set, ...reset].toSorted((a, b) => (a.setting < b.setting ? -1 : 1));
}

function partitionReasons({ partitions }: WantedTopic, actual: ActualTopic): readonly string[] {
  if (partitions === actual.partitions) return [];
  return [`it has ${actual.partitions} partitions and not ${partitions}: no change of that keeps the order`];
}

/** Kafka has no setting for it: copies are moved by its own tool. */
function copyReasons({ name, replication }: WantedTopic, actual: ActualTopic): readonly string[] {
  if (replication === actual.replication) return [];
  const is = `it has ${actual.replication} copies and not ${replication}`;
  return [
    `${is}: list as many brokers in a file as {"version":1,"partitions":[{"topic":"${name}","partition":0,"replicas":[1,2,3]}]} and run kafka-reassign-partitions --execute with it`,
  ];
}

function lossReasons({ setting, is, shall }: SettingChange, { settings }: WantedTopic): readonly string[] {
  const change = `${setting} from ${is} to ${shall ?? "its default"}`;
  // The other way round only ends a loss: a compacted topic whose policy was reset by mistake is repaired.
  if (setting === "cleanup.policy" && !parts(is).has("delete") && parts(shall).has("delete"))
    return [`${change} would delete by age what is kept for ever`];
  const policy = parts(settings["cleanup.policy"] ?? null);
  const [isDeleted, isCompacted] = [policy.has("delete"), policy.has("compact")];
  if (!keeping.includes(setting)) return [];
  // Ages of deletion say nothing on a topic that is only compacted, those of compaction on one that is not.
  if (setting.startsWith("retention.") ? !isDeleted : !isCompacted) return [];
  if (shall === null) return [`${change}, which is not known here, may forget records earlier`];
  return bound(shall) < bound(is) ? [`${change} would forget records earlier`] : [];
}

function parts(policy: string | null): ReadonlySet<string> {
  return new Set((policy ?? "").split(",").map((part) => part.trim()));
}

function bound(text: string): number {
  return text === "-1" ? Number.POSITIVE_INFINITY : Number(text);
}
