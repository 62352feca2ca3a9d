// The letter to a district whose API is pulled: where to click, and what to send. And what an operator should know before.
// It keeps true that what a vendor's console looks like stands here once, by the id of its profile.

import { fieldsOf } from "../domain/api/credentials.ts";
import type { ApiProfile, AuthKind } from "../domain/api/profile.ts";
import type { ApiSettings } from "../domain/api/settings.ts";

/** Ways to sign in, as vendors' consoles call them. */
export const authNames: Readonly<Record<AuthKind, string>> = {
  oauth2: "OAuth 2.0 (client credentials)",
  "oauth1-sha1": "OAuth 1.0a (HMAC-SHA1)",
  "oauth1-sha256": "OAuth 1.0a (HMAC-SHA256)",
  proxy: "sharing through the vendor's console",
};

type Steps = (settings: ApiSettings) => readonly string[];

/** What the district's administrator does, by profile. Who is not listed gets the general ones. */
const steps: Readonly<Record<string, Steps>> = {
  // A051 to A055, C014
  classlink: ({ auth }) => [
    "Sign in to the admin console of your Roster Server as an administrator.",
    "Open the OneRoster API applications, and add ours by its name.",
    "Set the application to Enabled.",
    "Set its permission to Full: with less, people and classes are missing.",
    auth === "proxy"
      ? "Tell us that it is done. There is nothing to send: ClassLink shows us that you share."
      : "Open the application's details and send us what is listed below.",
  ],
  // A063 to A072, E023 to E041
  "infinite-campus": ({ version, auth }) => [
    "Sign in to Campus as an administrator, and open the page on which applications for digital learning are administered.",
    "Choose our application in the list of partners, or add it by its name.",
    `Generate a new OneRoster connection for it: OneRoster ${version} with ${auth === "oauth2" ? "OAuth 2.0" : "OAuth 1.0"}, not another.`,
    "Leave demographics and the grade book out of what is shared, unless that was agreed with us.",
    ...(version === "1.2"
      ? ["Share all schools that take part; a school that is left out later looks as if it closed."]
      : []),
    "Copy all fields of the section with the information to share, and send them to us.",
    ...(auth === "oauth2"
      ? []
      : ["Send us the day on which the connection expires, too: it lasts a year, and then has to be renewed."]),
  ],
  // A074 to A084
  powerschool: () => [
    "Sign in to PowerSchool as an administrator, and open Plugin Management.",
    "Install the plugin file that comes with this letter.",
    "A window shows what is sent for the registration: confirm it.",
    "Enable the plugin: installed and registered is not enough.",
    "Open the plugin's Data Provider Configuration, and send us the Client ID and Client Secret from there.",
    "Send us the version of your PowerSchool, too.",
  ],
};

const genericSteps: Steps = ({ version, auth }) => [
  `Make credentials for a OneRoster ${version} connection in your system: ${authNames[auth]}, read-only, for all schools that take part.`,
  "Let it read orgs, academicSessions, courses, classes, users and enrollments, each of them whole.",
  "Send us what is listed below.",
];

export type ApiLetter = {
  readonly settings: ApiSettings;
  readonly profile: ApiProfile;
  /** The district's. */
  readonly timeZone: string;
};

export function apiLetter({ settings, profile, timeZone }: ApiLetter): readonly string[] {
  const { auth, version, schedule } = settings;
  const clicks = (steps[profile.id] ?? genericSteps)(settings);
  const asked = fieldsOf(profile, auth).map(
    ({ label, isRequired }) => `${label}${isRequired ? "" : ", where there is one"}`,
  );
  const sent = asked.length === 0 ? [] : [...asked, ...addresses(auth, profile), secrecy];
  return [
    "To be sent to the district:",
    `  System:        ${profile.name}, OneRoster ${version}, ${authNames[auth]}`,
    ...under(
      "What to do:",
      clicks.map((text, index) => `${index + 1}. ${text}`),
    ),
    ...under("Send us:", sent),
    "  We read:       orgs, sessions, courses, classes, users and enrollments; we never write",
    ...(schedule === null ? [] : [`  When:          ${schedule} (cron, ${timeZone})`]),
    "  After that:    every teacher signs in through your sign-on; what is shown follows by itself",
  ];
}

const secrecy = "Never by plain email: by an encrypted link that opens once, or by telephone.";

/** The district knows best where its API is; a token URL is asked for where it is not derived (A067, D019). */
function addresses(auth: AuthKind, { token }: ApiProfile): readonly string[] {
  if (auth !== "oauth2") return ["Base URL"];
  return [token.urls.length === 0 ? "Token URL" : "Token URL, where there is one", "Base URL"];
}

function under(title: string, lines: readonly string[]): readonly string[] {
  return lines.map((line, index) => `  ${(index === 0 ? title : "").padEnd(14)} ${line}`);
}
