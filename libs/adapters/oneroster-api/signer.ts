// What signs requests: one interface for all ways to sign in, and the way that needs no request of its own.

import { authorization, type OAuth1Key, strictUrl } from "./oauth1.ts";

export type SignedRequest = {
  /** As it is to be sent: some ways need the query encoded strictly. */
  readonly url: URL;
  readonly authorization: string;
};

export interface Signer {
  /** Signs one GET, afresh each time. May fetch what it needs first. */
  sign(url: URL): Promise<SignedRequest>;
  /**
   * A request with this header was answered by 401. Afterwards a request is signed with something else, where there is
   * something else: it is repeated once.
   */
  refuse(authorization: string): Promise<void>;
  /** Granted with what was used last, sorted; null when that is not told. */
  scopes(): readonly string[] | null;
}

export function oauth1Signer(key: OAuth1Key): Signer {
  return {
    sign: (url) => {
      const strict = strictUrl(url);
      return Promise.resolve({ url: strict, authorization: authorization({ method: "GET", url: strict }, key) });
    },
    // The next one has another nonce and another time.
    refuse: () => Promise.resolve(),
    scopes: () => null,
  };
}
