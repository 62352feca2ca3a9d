// Blackbaud: a school's own host with key and secret, of which the domain alone is enough (C011), or its common host with
// OAuth 2.

import { keyPair } from "../credentials.ts";
import type { ApiProfile } from "../profile.ts";

const oauth1 = keyPair("Consumer Key", "Consumer Secret");

export const blackbaud: ApiProfile = {
  id: "blackbaud",
  name: "Blackbaud",
  source:
    "section 9.4 (developer.blackbaud.com and public models of its answers); C010, C011. Its limits of requests are not confirmed: those here are chosen.",
  versions: ["1.1"],
  auths: { "1.1": ["oauth1-sha1", "oauth1-sha256", "oauth2"], "1.2": [] },
  credentials: {
    "oauth1-sha1": oauth1,
    "oauth1-sha256": oauth1,
    oauth2: keyPair("Client ID", "Client Secret"),
  },
  proxyUrl: null,
  headers: [],
  paths: { "1.1": ["/ims/oneroster/{version}", "/afe-rostr/ims/oneroster/{version}"], "1.2": [] },
  token: { urls: ["https://oauth2.sky.blackbaud.com/token", "{base}/token"], sends: "basic", isEncoded: false },
  paging: { limit: 1000, ignoresLinks: false },
  requests: { atOnce: 2, peak: null },
  refresh: null,
  schedule: "0 3 * * *",
  features: { resources: false, demographics: ["oauth1-sha1", "oauth1-sha256", "oauth2"], isCurrentYearOnly: false },
  oldest: null,
  revisionHeader: null,
  credentialDays: null,
};
