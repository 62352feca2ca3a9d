// ClassLink Roster Server: the district's own server with a key and a secret, or the partner's proxy, through which a
// district shares with us in its console and sends no secret (A051 to A056, C014).

import { keyPair } from "../credentials.ts";
import type { ApiProfile } from "../profile.ts";

const ownServer = keyPair("Client ID", "Client Secret");

export const classlink: ApiProfile = {
  id: "classlink",
  name: "ClassLink",
  source:
    "section 9.1 (developer.classlink.com and public clients of it); A051 to A062, A093. That 1.2 is offered is not confirmed, so it is not offered here. Page size and requests at once are chosen: its ceiling is 10000 records.",
  versions: ["1.1"],
  auths: { "1.1": ["oauth1-sha256", "oauth1-sha1", "proxy"], "1.2": [] },
  credentials: { "oauth1-sha256": ownServer, "oauth1-sha1": ownServer, proxy: [] },
  proxyUrl: "https://oneroster-proxy.classlink.io",
  headers: [],
  paths: { "1.1": ["/ims/oneroster/{version}"], "1.2": [] },
  token: { urls: [], sends: "basic", isEncoded: false },
  paging: { limit: 5000, ignoresLinks: false },
  requests: { atOnce: 4, peak: null },
  refresh: null,
  schedule: "0 3 * * *",
  features: { resources: true, demographics: ["oauth1-sha256", "oauth1-sha1", "proxy"], isCurrentYearOnly: false },
  oldest: null,
  revisionHeader: null,
  credentialDays: null,
};
