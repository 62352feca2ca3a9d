// Any source that keeps to the standard (D014): every version, every way to sign in but a proxy, modest in what it asks.

import { keyPairAndApplication } from "../credentials.ts";
import type { ApiProfile } from "../profile.ts";

const pair = keyPairAndApplication("Consumer Key", "Consumer Secret");

export const generic: ApiProfile = {
  id: "generic",
  name: "Another OneRoster source",
  source:
    "sections 4.1, 4.5 and 8; C004, C010, D014 to D020. Pages, requests at once and the places of a token are chosen. Resources are read where a source has them, which A093 says of no vendor but ClassLink.",
  versions: ["1.1", "1.2"],
  auths: { "1.1": ["oauth2", "oauth1-sha1", "oauth1-sha256"], "1.2": ["oauth2"] },
  credentials: { oauth2: pair, "oauth1-sha1": pair, "oauth1-sha256": pair },
  proxyUrl: null,
  headers: [],
  paths: { "1.1": ["/ims/oneroster/{version}"], "1.2": ["/ims/oneroster/rostering/{version}"] },
  token: {
    urls: [
      "{base}/token",
      "{origin}/token",
      "{origin}/oauth/token",
      "{origin}/oauth2/token",
      "{origin}/oauth/access_token",
    ],
    sends: "basic",
    isEncoded: false,
  },
  paging: { limit: 1000, ignoresLinks: false },
  requests: { atOnce: 2, peak: null },
  refresh: null,
  schedule: "0 3 * * *",
  features: {
    resources: true,
    demographics: ["oauth2", "oauth1-sha1", "oauth1-sha256"],
    isCurrentYearOnly: false,
  },
  oldest: null,
  revisionHeader: null,
  credentialDays: null,
};
