// PowerSchool: a plugin that the district installs shows the client id and the secret (A074 to A077), and the token comes
// from the district's own server, or from PowerSchool's accounts.

import { keyPair } from "../credentials.ts";
import type { ApiProfile } from "../profile.ts";

export const powerschool: ApiProfile = {
  id: "powerschool",
  name: "PowerSchool",
  source:
    "section 9.3 (docs.powerschool.com and two articles by others: the path is of one of them alone); A074 to A084, A093. That 1.2 is offered is not confirmed, so it is not offered here. The plugin limits pages; 1000 is what another integration uses.",
  versions: ["1.1"],
  auths: { "1.1": ["oauth2"], "1.2": [] },
  credentials: { oauth2: keyPair("Client ID", "Client Secret") },
  proxyUrl: null,
  headers: [],
  paths: { "1.1": ["/api/ims/oneroster/{version}", "/ims/oneroster/{version}"], "1.2": [] },
  token: {
    urls: ["{origin}/oauth/access_token", "https://accounts.powerschool.com/as/token.oauth2"],
    sends: "basic",
    isEncoded: false,
  },
  paging: { limit: 1000, ignoresLinks: false },
  requests: { atOnce: 2, peak: null },
  refresh: null,
  schedule: "0 3 * * *",
  features: { resources: false, demographics: ["oauth2"], isCurrentYearOnly: false },
  oldest: {
    version: "21.4.4.0",
    sentence:
      "PowerSchool before 21.4.4.0 needs the Universal Rostering plugin and another plugin of ours: ask the district to update, or to install both.",
  },
  revisionHeader: null,
  credentialDays: null,
};
