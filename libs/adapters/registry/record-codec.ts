// Control records as bytes, typed by their names.

import { AppError } from "../../errors.ts";
import type { Records } from "../../records.ts";
import type { Codec } from "./codec.ts";

export type RecordName = keyof Records;
export type RecordEncoder = <N extends RecordName>(name: N, record: Records[N]) => Uint8Array;

export interface RecordCodec {
  readonly encode: RecordEncoder;
  /** The full name of the record that the bytes hold. @throws AppError `registry.undecodable`. */
  readonly nameOf: (bytes: Uint8Array) => string;
  /** @throws AppError `registry.undecodable` when the bytes are another record's. */
  readonly decode: <N extends RecordName>(name: N, bytes: Uint8Array) => Records[N];
}

export function recordCodec(codec: Codec): RecordCodec {
  return {
    encode: (name, record) => codec.encoder(name).encode(record),
    nameOf: (bytes) => codec.decode(bytes).name,
    decode: <N extends RecordName>(name: N, bytes: Uint8Array) => {
      const record = codec.decode(bytes);
      if (record.name !== name)
        throw new AppError("registry.undecodable", { message: `expected a record ${name}, found ${record.name}` });
      return record.value as Records[N];
    },
  };
}
