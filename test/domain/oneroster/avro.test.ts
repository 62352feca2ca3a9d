// Parsed entities fit their schemas, and come back as they were.

import avsc from "avsc";
import t from "tap";
import { unreachable } from "../../../libs/domain/assert.ts";
import { compileHeader } from "../../../libs/domain/header.ts";
import { avroOf, entitySchemas } from "../../../libs/domain/oneroster/avro.ts";
import { columnName, columnsOf, type Field } from "../../../libs/domain/oneroster/description.ts";
import { descriptionOf } from "../../../libs/domain/oneroster/entities.ts";
import { entityTypes } from "../../../libs/domain/oneroster/entity-types.ts";
import { parseRow } from "../../../libs/domain/parse.ts";

/** All schemas that a record may refer to come first, so that avsc finds them by name. */
function typeOf(type: (typeof entityTypes)[number]): avsc.Type {
  const registry = {};
  for (const shared of entitySchemas().filter(({ name }) => name === "UserId" || name === "Metadata")) {
    avsc.Type.forSchema(JSON.parse(JSON.stringify(shared)), { registry });
  }
  return avsc.Type.forSchema(JSON.parse(JSON.stringify(avroOf(descriptionOf(type)))), { registry });
}

/** A cell that fills a column of any kind. */
function filled(field: Field): string {
  if ("enumeration" in field) return field.enumeration.tokens["1.2"][0] ?? "";
  switch (field.kind) {
    case "date":
      return "2024-08-15";
    case "dateTime":
      return "2024-08-15T00:00:00.000Z";
    case "year":
      return "2025";
    case "boolean":
      return "true";
    case "userIds":
      return "{LDAP:a},{LTI:b}";
    case "refList":
    case "stringList":
      return "a,b";
    case "guid":
    case "ref":
    case "string":
    case "id":
      return "a";
    default:
      return unreachable(field);
  }
}

t.test("entities with every cell filled and with only the required ones keep all they hold", async (t) => {
  const noise = { finding: (code: string) => t.fail(code), tolerated: () => undefined };
  for (const type of entityTypes) {
    const description = descriptionOf(type);
    const columns = columnsOf(description, "1.2");
    const header = compileHeader(description, "1.2", [...columns.map(columnName), "metadata.m"]);
    for (const isFull of [true, false]) {
      const cells = columns.map((field) => (isFull || field.need["1.2"] === "R" ? filled(field) : ""));
      const result = parseRow(header, [...cells, isFull ? "v" : ""], 2, "delta", noise);
      if (result.outcome !== "entity") throw new Error(`${type} became a ${result.outcome}`);
      const avroType = typeOf(type);
      const invalid: string[] = [];
      avroType.isValid(result.entity, { errorHook: (path: readonly string[]) => invalid.push(path.join(".")) });
      t.strictSame(invalid, [], type);
      const back: unknown = avroType.fromBuffer(avroType.toBuffer(result.entity));
      t.strictSame(
        { type, ...JSON.parse(JSON.stringify(back)) },
        result.entity,
        `${type}, ${isFull ? "full" : "bare"}`,
      );
    }
  }
});
