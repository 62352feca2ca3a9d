// Infinite Campus: OAuth 2 in both versions (A066, A067), connections of OAuth 1 from before its end, which last a year
// (E028), and a clock of its caches (E088, E089).

import { keyPair } from "../credentials.ts";
import type { ApiProfile, CredentialField } from "../profile.ts";

// Asked for only where the gradebook is read or written; kept for who was given them.
const vendor: readonly CredentialField[] = [
  { name: "vendorKey", label: "Vendor Key", synonyms: ["partner key"], isRequired: false },
  { name: "vendorSecret", label: "Vendor Secret", synonyms: ["partner secret"], isRequired: false },
];
const oauth1 = [...keyPair("Consumer Key", "Consumer Secret"), ...vendor];

export const infiniteCampus: ApiProfile = {
  id: "infinite-campus",
  name: "Infinite Campus",
  source:
    "section 9.2 (kb.infinitecampus.com, the article of 22 Oct 2022 among them); A063 to A073, A093, E001, E025 to E041, E080, E087 to E094. One request in peak hours and five off-peak are its guideline; which hours are peak is agreed between vendors: 07:00 to 17:00 is chosen here, version 1. The path of 1.1 is by analogy with that of 1.2. Of caches of demographics it says nothing: they are taken for those of students.",
  versions: ["1.1", "1.2"],
  auths: { "1.1": ["oauth2", "oauth1-sha1", "oauth1-sha256"], "1.2": ["oauth2"] },
  credentials: {
    oauth2: [...keyPair("Client ID", "Client Secret"), ...vendor],
    "oauth1-sha1": oauth1,
    "oauth1-sha256": oauth1,
  },
  proxyUrl: null,
  headers: [{ name: "x-vendor-authorization", template: "{vendorKey}:{vendorSecret}" }],
  paths: {
    "1.1": ["/campus/api/ims/oneroster/{version}", "/ims/oneroster/{version}"],
    "1.2": ["/campus/api/ims/oneroster/rostering/{version}", "/ims/oneroster/rostering/{version}"],
  },
  // The token URL has the application's name in it, so it has to be given (A067).
  token: { urls: [], sends: "basic", isEncoded: false },
  paging: { limit: 5000, ignoresLinks: false },
  requests: { atOnce: 5, peak: { from: "07:00", to: "17:00", atOnce: 1 } },
  refresh: { classes: "04:10", students: { from: "06:00", to: "18:00" } },
  schedule: "0 5 * * *",
  features: { resources: false, demographics: ["oauth2"], isCurrentYearOnly: true },
  oldest: null,
  revisionHeader: null,
  credentialDays: { "oauth1-sha1": 365, "oauth1-sha256": 365 },
};
