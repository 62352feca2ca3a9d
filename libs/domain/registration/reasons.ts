// Registration: from facts about a person to what the person may use, and why.
//
// Facts arrive late, twice and in any order, so nothing here remembers how it came to be: what a person may use follows
// from the facts that hold now, by passing gates in one order. The first gate that is closed is the reason.
//
//   match ▶ roster ▶ user ▶ role ▶ scope ▶ district ▶ start ▶ account ──linked, active─────────────────────▶ granted
//                                                                └─none─▶ attributes ▶ org ▶ license ▶ seat ▶ granted
//
// Only the last gate depends on an order: of two who want the last seat, the first one has it.
// Requirements: A043, A059, A060, A073, A086 to A091, A099, A109 to A113.

/** What a login is told. */
export type State = "unlinked" | "waiting" | "review" | "choose-school" | "inactive" | "active";

/** What a person is to a product. */
export type Status = "granted" | "refused" | "waiting";

export type DistrictState = "setup" | "pilot" | "released" | "leaving";

/** Gates in the order in which they are passed. */
export const gates = [
  "match",
  "roster",
  "user",
  "role",
  "scope",
  "district",
  "start",
  "account",
  "attributes",
  "org",
  "license",
  "seat",
] as const;
export type Gate = (typeof gates)[number];

/** What a closed gate means: the state of the login, and what to say to whom. */
type Meaning = {
  readonly gate: Gate;
  readonly state: Exclude<State, "active">;
  /** For the teacher who looks at an empty page. */
  readonly teacher: string;
  /** For whoever administers the roster: what is so, and what to do. */
  readonly administrator: string;
};

/** Every reason, once. The compiler sees to it that none lacks its state or its words. */
export const reasons = {
  "login.received": {
    gate: "match",
    state: "waiting",
    teacher: "We are looking for your classes. This page will show them in a moment.",
    administrator:
      "The login was received and is being looked at. If this stays for more than a minute, look at the health of the services.",
  },
  "login.none": {
    gate: "match",
    state: "waiting",
    teacher: "Sign in once with your school account; your classes appear after that.",
    administrator:
      "This person has not signed in through the district's sign-on yet. Ask the person to sign in that way once.",
  },
  "login.issuer": {
    gate: "match",
    state: "inactive",
    teacher: "You signed in another way than your district does. Use your district's sign-in page.",
    administrator:
      "The login came from an issuer that is none of the district's sign-ons. Have the person use the district's sign-on, or add the issuer to signOn.issuers.",
  },
  "match.none": {
    gate: "match",
    state: "waiting",
    teacher:
      "Your school has not sent your name with its classes yet. Nothing to do: this page fills itself once it has.",
    administrator:
      "Nobody in the roster has the sourcedId, user id, username or verified email of this login. Check that the person is in users.csv with the username or email used to sign in, and that the email's domain is among emailDomains.",
  },
  "match.several": {
    gate: "match",
    state: "review",
    teacher: "We found more than one person who could be you. Your school has been asked to say which.",
    administrator:
      "The evidence of this login points to more than one person of the roster. Correct users.csv, or say who it is with `rollcall login link`.",
  },
  "match.contradicting": {
    gate: "match",
    state: "review",
    teacher: "What your sign-in says about you does not fit one person. Your school has been asked to look.",
    administrator:
      "One part of this login points to one person and another part to somebody else, or to an id that the roster does not have. Correct the sign-on or users.csv, or say who it is with `rollcall login link`.",
  },
  "match.shared": {
    gate: "match",
    state: "review",
    teacher:
      "Your email address or username belongs, or once belonged, to more than one person. Your school has been asked to say who you are.",
    administrator:
      "The username or email of this login has belonged to more than one person, so it proves nothing. Give the person an address of their own, send a sourcedId with the login, or say who it is with `rollcall login link`.",
  },
  "match.undone": {
    gate: "match",
    state: "review",
    teacher: "Your school has been asked to say who you are.",
    administrator:
      "Someone decided that this login is not the person it was linked to, and nothing else says who it is. Say it with `rollcall login link`.",
  },
  "roster.gone": {
    gate: "roster",
    state: "waiting",
    teacher: "Your school's latest data does not name you any more. If you still teach there, ask your school.",
    administrator:
      "The person was in the roster and is not now. If that is wrong, deliver users.csv with the person again.",
  },
  "user.disabled": {
    gate: "user",
    state: "inactive",
    teacher: "Your school has switched your account off. Ask your school if that is wrong.",
    administrator: "enabledUser is false. Set it to true in users.csv if the person may use systems.",
  },
  "role.not-teacher": {
    gate: "role",
    state: "inactive",
    teacher: "Your school does not list you as a teacher today.",
    administrator:
      "The person has no role teacher today. Give the role in users.csv (1.1) or roles.csv (1.2), and check its dates.",
  },
  "scope.outside": {
    gate: "scope",
    state: "inactive",
    teacher: "Your school does not take part.",
    administrator:
      "None of the person's organisations is within orgScope. Add the school to orgScope if it takes part.",
  },
  "district.setup": {
    gate: "district",
    state: "inactive",
    teacher: "Your district is still being set up.",
    administrator: "The district is in setup. Configure its sign-on, then begin the pilot or release it.",
  },
  "district.pilot": {
    gate: "district",
    state: "inactive",
    teacher: "Your district is trying this out with a few teachers first.",
    administrator:
      "The district is in its pilot and this person is not one of the named teachers. Name the person with `rollcall district pilot`, or release the district.",
  },
  "district.leaving": {
    gate: "district",
    state: "inactive",
    teacher: "Your district no longer uses this service.",
    administrator: "The district is leaving: nothing is shown any more.",
  },
  "start.future": {
    gate: "start",
    state: "inactive",
    teacher: "Your district starts later. Your classes appear on that day.",
    administrator:
      "The district's startDate lies ahead: until then everything is a dry run. Change startDate if it should start earlier.",
  },
  "account.inactive": {
    gate: "account",
    state: "inactive",
    teacher: "Your account is linked but not active yet. Enter your access code, or ask your school for one.",
    administrator: "The linked product account is not active. Activate it, or have the teacher enter an access code.",
  },
  "account.offer": {
    gate: "account",
    state: "unlinked",
    teacher: "There may be an account of yours already. Link it by signing in to it once.",
    administrator:
      "An account with the person's email exists and is linked to no login. The teacher must prove it by signing in to it; a second one is not made.",
  },
  "account.none": {
    gate: "account",
    state: "unlinked",
    teacher: "Link the account you have, or make one with the access code from your school.",
    administrator:
      "No product account is linked to this login, and the district does not register teachers by itself. Send the teacher an access code, or switch on features.autoRegistration.",
  },
  "name.missing": {
    gate: "attributes",
    state: "inactive",
    teacher: "Your school's data lacks your first or last name. Ask your school to add it.",
    administrator: "Auto-registration needs a given and a family name. Fill both in users.csv.",
  },
  "email.missing": {
    gate: "attributes",
    state: "inactive",
    teacher: "Your school's data lacks your email address. Ask your school to add it.",
    administrator: "Auto-registration needs an email address. Fill it in users.csv, or send it with the login.",
  },
  "email.unverified": {
    gate: "attributes",
    state: "inactive",
    teacher: "Your email address is not one of your district's. Ask your school to correct it.",
    administrator:
      "The person's email address is in no domain that is verified for the district. Correct it, or add the domain to emailDomains.",
  },
  "org.none": {
    gate: "org",
    state: "choose-school",
    teacher: "Choose your school.",
    administrator:
      "No organisation of this teacher is known. Deliver orgs.csv and the teacher's organisations; until then the teacher may choose a school.",
  },
  "org.identifier-missing": {
    gate: "org",
    state: "inactive",
    teacher:
      "Your school's data lacks its whole official number, so we cannot find its license. Your school has to add it.",
    administrator:
      "No organisation of this teacher has a whole NCES id. Put it into the column identifier of orgs.csv: 7 digits for a district, 12 for a school.",
  },
  "org.identifier-short": {
    gate: "org",
    state: "inactive",
    teacher:
      "Your school's official number is incomplete, so we cannot find its license. Your school has to correct it.",
    administrator:
      "The NCES id of an organisation lacks a digit, most likely a leading zero that a spreadsheet took away. Write 12 digits for a school, 7 for a district.",
  },
  "org.identifier-foreign": {
    gate: "org",
    state: "inactive",
    teacher: "Your school's official number belongs to another district. Your school has to correct it.",
    administrator:
      "No NCES id of this teacher's organisations belongs to the district: ncesDistrictIds names others. Correct the column identifier of orgs.csv, or add the id to ncesDistrictIds.",
  },
  "license.none": {
    gate: "license",
    state: "inactive",
    teacher: "Your school has no license yet. Ask your school.",
    administrator:
      "No license names an organisation of this teacher or one above it. Put a license on the school's or the district's NCES id.",
  },
  "license.future": {
    gate: "license",
    state: "inactive",
    teacher: "Your school's license begins later. Your classes appear on that day.",
    administrator: "The license begins later. Change its first day if it should begin now.",
  },
  "license.expired": {
    gate: "license",
    state: "inactive",
    teacher: "Your school's license has ended. Ask your school.",
    administrator: "The license has ended. Renew it.",
  },
  "seat.none": {
    gate: "seat",
    state: "inactive",
    teacher: "All seats of your school's license are taken. Ask your school.",
    administrator:
      "Every seat of the license is taken. Add seats. Who is disabled, leaves the roster or is unlinked gives one back.",
  },
} as const satisfies Readonly<Record<string, Meaning>>;

export type Reason = keyof typeof reasons;

/** What is said when every gate is open. */
export const activeWords = {
  teacher: "You are signed in and your classes are here.",
  administrator: "Every gate is open for at least one product; each of the others says its reason.",
} as const;

/** What is said when every gate is open and no class is shown. */
export const activeWithoutClasses = {
  teacher: "You are signed in. Your classes appear here as soon as your school's data has them for you.",
  administrator:
    "Every gate is open, and no class of this teacher is shown today. `rollcall explain` names the reason of each class.",
} as const;
