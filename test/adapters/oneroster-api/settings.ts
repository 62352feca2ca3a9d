// Settings of a source for tests: plain ones, with what a test says otherwise.

import type { ApiSettings } from "../../../libs/domain/api/settings.ts";

export function settingsOf(some: Partial<ApiSettings>): ApiSettings {
  return {
    profile: "generic",
    version: "1.2",
    auth: "oauth2",
    baseUrl: "",
    tokenUrl: null,
    scopes: [],
    tenant: null,
    schedule: null,
    expires: null,
    resources: false,
    pageSize: null,
    sourceVersion: null,
    revisionHeader: null,
    allowHttp: false,
    ...some,
  };
}
