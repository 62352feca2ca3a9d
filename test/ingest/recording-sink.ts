// A sink that remembers what it was told, for tests: calls in order, and what stands of each key in the end.

import { entityKey } from "../../libs/domain/ids.ts";
import type { Entity } from "../../libs/domain/oneroster/entities.ts";
import type { SetSink } from "../../libs/ingest/judge-file.ts";

export type Standing = { readonly says: "content" | "absent" | "unknown"; readonly entity: Entity | null };

export class RecordingSink implements SetSink {
  /** `content user u1 users.csv:2`, in order. */
  readonly calls: string[] = [];
  readonly standing = new Map<string, Standing>();

  content: SetSink["content"] = (entity, { file, line }) => {
    this.calls.push(`content ${entity.type} ${entity.sourcedId} ${file}:${line}`);
    this.standing.set(entityKey(entity.type, entity.sourcedId), { says: "content", entity });
  };

  absent: SetSink["absent"] = (type, sourcedId, reason, { file, line }) => {
    this.calls.push(`absent ${type} ${sourcedId} ${reason} ${file}:${line}`);
    this.standing.set(entityKey(type, sourcedId), { says: "absent", entity: null });
  };

  unknown: SetSink["unknown"] = (type, sourcedId, rule, { file, line }) => {
    this.calls.push(`unknown ${type} ${sourcedId} ${rule} ${file}:${line}`);
    this.standing.set(entityKey(type, sourcedId), { says: "unknown", entity: null });
  };

  ready: SetSink["ready"] = () => Promise.resolve();

  says(type: string, sourcedId: string): Standing["says"] | undefined {
    return this.standing.get(entityKey(type, sourcedId))?.says;
  }
}
