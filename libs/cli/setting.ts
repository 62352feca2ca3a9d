// Settings as a command line gives them: path=value.

import { AppError } from "../errors.ts";

/** The value with settings changed, each `path.to.field=value`. @throws AppError `usage`. */
export function withSettings(base: unknown, settings: readonly string[]): unknown {
  return settings.reduce<unknown>((changed, setting) => withSetting(changed, setting), base);
}

/** The value with one setting `path.to.field=value` changed; a value that is JSON is read as such, else as text. */
function withSetting(base: unknown, setting: string): unknown {
  const at = setting.indexOf("=");
  if (at < 1) throw new AppError("usage", { message: `a setting is written path=value, not ${setting}` });
  return withPath(base, setting.slice(0, at).split("."), valueOf(setting.slice(at + 1)));
}

function withPath(base: unknown, path: readonly string[], value: unknown): unknown {
  const [name, ...rest] = path;
  if (name === undefined) return value;
  const fields = typeof base === "object" && base !== null ? new Map(Object.entries(base)) : new Map<string, unknown>();
  fields.set(name, withPath(fields.get(name), rest, value));
  return Object.fromEntries(fields);
}

function valueOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
