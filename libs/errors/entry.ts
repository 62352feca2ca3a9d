// What the register of errors says of a code. The register itself is put together in libs/errors.ts.

/** `status` is the HTTP status with which an interface answers. */
export type ErrorEntry = {
  /** What was being done when it failed, as a gerund: "reading the range". */
  readonly message: string;
  readonly status: number;
  /** Whether the same attempt may succeed later, with nothing changed by a person. */
  readonly retryable: boolean;
  /** What a person should do, in one or two sentences. */
  readonly remedy: string;
};
