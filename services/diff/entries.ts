// Where an entity stands in the image: by its type and sourcedId, as the topics' keys spell them.

import type { Image } from "../../libs/domain/diff/image.ts";
import { fingerprint } from "../../libs/domain/fingerprint.ts";
import { entityKey } from "../../libs/domain/ids.ts";

const print = new Uint32Array(4);

/** The entry of an entity, or -1 when nothing is known of its key. */
export function entryOf(
  image: Image,
  { type, sourcedId }: { readonly type: string; readonly sourcedId: string },
): number {
  const key = Buffer.from(entityKey(type, sourcedId));
  fingerprint(key, 0, key.length, print);
  return image.find(print);
}
