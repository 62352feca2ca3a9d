// Reads the fields of a JSON value, each with its rule, and tells all faults at once.

export type Fields = Readonly<Record<string, unknown>>;
export type Read = {
  readonly faults: string[];
  fields(value: unknown, path: string, known: readonly string[]): Fields;
  boolean(value: unknown, path: string, fallback: boolean): boolean;
  number(value: unknown, path: string, fallback: number, most: number): number;
  text(value: unknown, path: string, fallback: string): string;
  oneOf<T extends string>(value: unknown, path: string, allowed: readonly [T, ...T[]]): T;
  /** Texts in a list, or one text with commas between them; whole numbers are texts of digits, an empty text is no text. */
  texts(value: unknown, path: string): readonly string[];
};

/** A text that is not empty, without the blanks around it; null when it is none. Without quotes an id of digits is a number. */
function digitsOf(value: unknown): string | null {
  if (typeof value === "string" && value.trim() !== "") return value.trim();
  return Number.isSafeInteger(value) && Number(value) >= 0 ? String(value) : null;
}

/** A reader that collects faults, each naming its field, and gives the fallback in their place. */
export function reader(): Read {
  const faults: string[] = [];
  return {
    faults,
    fields: (value, path, known) => {
      if (typeof value !== "object" || value === null || Array.isArray(value)) {
        faults.push(`${path} must be an object`);
        return {};
      }
      const entries = Object.entries(value);
      for (const [name] of entries) {
        if (!known.includes(name)) faults.push(`${path} has no field ${name}; known are ${known.join(", ")}`);
      }
      return Object.fromEntries(entries);
    },
    boolean: (value, path, fallback) => {
      if (value === undefined || typeof value === "boolean") return value ?? fallback;
      faults.push(`${path} must be true or false`);
      return fallback;
    },
    number: (value, path, fallback, most) => {
      if (value === undefined) return fallback;
      if (typeof value === "number" && value >= 0 && value <= most) return value;
      faults.push(`${path} must be a number from 0 to ${most}`);
      return fallback;
    },
    text: (value, path, fallback) => {
      if (value === undefined) return fallback;
      if (typeof value === "string" && value !== "") return value;
      faults.push(`${path} must be a text that is not empty`);
      return fallback;
    },
    oneOf: (value, path, allowed) => {
      const [fallback] = allowed;
      if (value === undefined) return fallback;
      const found = allowed.find((each) => each === value);
      if (found === undefined) faults.push(`${path} must be ${allowed.join(" or ")}`);
      return found ?? fallback;
    },
    texts: (value, path) => {
      if (value === undefined || value === "") return [];
      const list: readonly unknown[] =
        typeof value === "string" ? value.split(",") : Array.isArray(value) ? value : [value];
      const texts = list.flatMap((each) => digitsOf(each) ?? []);
      if (texts.length !== list.length) faults.push(`${path} must be a list of texts that are not empty`);
      return [...new Set(texts)];
    },
  };
}
