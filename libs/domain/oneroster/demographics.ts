// demographics.csv: what is recorded of a person's birth and origin. Personal data throughout; read only where switched on.

import { common, optional, sourcedId } from "./common.ts";
import type { EntityDescription, EntityOf } from "./description.ts";
import { sex } from "./enumerations.ts";

const [, status, dateLastModified] = common;
const flag = { kind: "boolean", need: optional, sensitivity: "personal" } as const;
const text = { kind: "string", need: optional, sensitivity: "personal" } as const;

export const demographics = {
  type: "demographics",
  record: "Demographics",
  file: { "1.1": "demographics", "1.2": "demographics" },
  doc: "Demographics of a user, under the user's own sourcedId.",
  fields: [
    { ...sourcedId, to: "user", doc: "The sourcedId of the user whose demographics these are." },
    status,
    dateLastModified,
    { name: "birthDate", kind: "date", need: optional, sensitivity: "personal", doc: "Birthday, YYYY-MM-DD." },
    {
      name: "sex",
      kind: "enum",
      enumeration: sex,
      need: optional,
      sensitivity: "personal",
      doc: "male, female, since 1.2 also unspecified, other or an ext: token.",
    },
    { ...flag, name: "americanIndianOrAlaskaNative", doc: "Race flag." },
    { ...flag, name: "asian", doc: "Race flag." },
    { ...flag, name: "blackOrAfricanAmerican", doc: "Race flag." },
    { ...flag, name: "nativeHawaiianOrOtherPacificIslander", doc: "Race flag." },
    { ...flag, name: "white", doc: "Race flag." },
    { ...flag, name: "demographicRaceTwoOrMoreRaces", doc: "Race flag." },
    { ...flag, name: "hispanicOrLatinoEthnicity", doc: "Ethnicity flag." },
    { ...text, name: "countryOfBirthCode", doc: "Country of birth, vocabulary by agreement." },
    { ...text, name: "stateOfBirthAbbreviation", doc: "State of birth, vocabulary by agreement." },
    { ...text, name: "cityOfBirth", doc: "City of birth." },
    { ...text, name: "publicSchoolResidenceStatus", doc: "Residence status, vocabulary by agreement." },
  ],
} as const satisfies EntityDescription;

export type Demographics = EntityOf<typeof demographics>;
