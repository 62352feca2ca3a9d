// Aeries: OneRoster 1.1 with OAuth 2, under the folder of its installation, asked gently while school is on.

import { keyPair } from "../credentials.ts";
import type { ApiProfile } from "../profile.ts";

export const aeries: ApiProfile = {
  id: "aeries",
  name: "Aeries",
  source:
    "section 9.5 (support.aeries.com, read up to Jan 2026). It asks for off-peak hours without naming them: 07:00 to 17:00 is chosen here. It has no /resources and leaves out students who are not enrolled now.",
  versions: ["1.1"],
  auths: { "1.1": ["oauth2"], "1.2": [] },
  credentials: { oauth2: keyPair("Client ID", "Client Secret") },
  proxyUrl: null,
  headers: [],
  paths: { "1.1": ["/ims/oneroster/{version}", "/aeries/ims/oneroster/{version}"], "1.2": [] },
  token: { urls: ["{base}/token"], sends: "basic", isEncoded: false },
  paging: { limit: 1000, ignoresLinks: false },
  requests: { atOnce: 2, peak: { from: "07:00", to: "17:00", atOnce: 1 } },
  refresh: null,
  schedule: "0 3 * * *",
  features: { resources: false, demographics: ["oauth2"], isCurrentYearOnly: true },
  oldest: null,
  revisionHeader: null,
  credentialDays: null,
};
