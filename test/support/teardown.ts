// What a helper needs of a test to clean up after itself.

export type Teardown = { teardown(handler: () => Promise<void> | void): unknown };
