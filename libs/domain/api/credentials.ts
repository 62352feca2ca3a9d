// What a district has to hand over to sign in, and under which of its many names it may come (D016).
// It keeps true that each name means one field of a profile, and that names alone are handled here: never a value.

import type { ApiProfile, AuthKind, CredentialField } from "./profile.ts";

const idNames = ["consumer key", "key", "client id", "client key", "application id", "app id", "api key", "oauth key"];
const secretNames = ["consumer secret", "secret", "client secret", "api secret", "secret key", "oauth secret"];
const applicationSecretNames = ["application secret", "app secret"];

/** Consumer Key and Consumer Secret, or Client ID and Client Secret: what signs a request of either OAuth. */
export function keyPair(idLabel: string, secretLabel: string): readonly CredentialField[] {
  return [
    { name: "id", label: idLabel, synonyms: idNames, isRequired: true },
    { name: "secret", label: secretLabel, synonyms: [...secretNames, ...applicationSecretNames], isRequired: true },
  ];
}

/**
 * The same with an application secret as a third, for vendors that hand one out beside the consumer secret (D017). Nothing
 * is sent of it unless a profile's header names it.
 */
export function keyPairAndApplication(idLabel: string, secretLabel: string): readonly CredentialField[] {
  return [
    { name: "id", label: idLabel, synonyms: idNames, isRequired: true },
    { name: "secret", label: secretLabel, synonyms: secretNames, isRequired: true },
    {
      name: "applicationSecret",
      label: "Application Secret",
      synonyms: applicationSecretNames,
      isRequired: false,
    },
  ];
}

/** All fields of a way to sign in. None for a proxy: the key is ours, and the district sends nothing (C014). */
export function fieldsOf(profile: ApiProfile, auth: AuthKind): readonly CredentialField[] {
  return profile.credentials[auth] ?? [];
}

/** The field that a text names: its name, its label, or what else vendors call it. null: no field of this profile. */
export function fieldNamed(profile: ApiProfile, auth: AuthKind, text: string): CredentialField | null {
  const wanted = plain(text);
  const isMeant = ({ name, label, synonyms }: CredentialField): boolean =>
    [name, label, ...synonyms].some((each) => plain(each) === wanted);
  return fieldsOf(profile, auth).find(isMeant) ?? null;
}

/** Required fields of which nothing is there. `names` are fields' names, not synonyms. */
export function missingFields(
  profile: ApiProfile,
  auth: AuthKind,
  names: readonly string[],
): readonly CredentialField[] {
  return fieldsOf(profile, auth).filter(({ name, isRequired }) => isRequired && !names.includes(name));
}

/** Without case, blanks and punctuation: `Client ID:` and `client_id` are the same. */
function plain(text: string): string {
  return text.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");
}
