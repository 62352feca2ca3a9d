// Paths as clients send them, made absolute and normal: `/` is the account's root and nothing lies above it.
// It keeps true that whatever passes has no empty, `.` or `..` part, is UTF-8, and has names that a folder can hold.

const longestPath = 1024;
const longestName = 255;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** @returns the path from the root, or in words for the client why there can be none. */
export function normalPath(
  bytes: Uint8Array,
): { readonly outcome: "path"; readonly path: string } | { readonly outcome: "fault"; readonly fault: string } {
  if (bytes.length > longestPath) return { outcome: "fault", fault: "the path is too long" };
  const text = decoded(bytes);
  if (text === null) return { outcome: "fault", fault: "the name is not UTF-8" };
  // oxlint-disable-next-line no-control-regex -- control characters are what the rule is about
  if (/[\u0000-\u001f\u007f]/u.test(text)) return { outcome: "fault", fault: "the name has control characters" };
  const parts: string[] = [];
  for (const part of text.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  if (parts.some((part) => Buffer.byteLength(part) > longestName))
    return { outcome: "fault", fault: "the name is too long" };
  return { outcome: "path", path: `/${parts.join("/")}` };
}

function decoded(bytes: Uint8Array): string | null {
  try {
    return utf8.decode(bytes);
  } catch {
    return null;
  }
}
