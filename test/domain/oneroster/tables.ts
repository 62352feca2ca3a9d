// The tables of OneRoster CSV once more, taken from the standard and not from the descriptions: headers as printed, with
// `!` after each column whose values are required. Tests hold the descriptions against them.

import type { Layout } from "../../../libs/domain/oneroster/description.ts";

/** Headers by layout and file name. */
export const tables: Readonly<Record<Layout, Readonly<Record<string, string>>>> = {
  "1.1": {
    orgs: "sourcedId!,status,dateLastModified,name!,type!,identifier,parentSourcedId",
    academicSessions: "sourcedId!,status,dateLastModified,title!,type!,startDate!,endDate!,parentSourcedId,schoolYear!",
    courses:
      "sourcedId!,status,dateLastModified,schoolYearSourcedId,title!,courseCode,grades,orgSourcedId!,subjects,subjectCodes",
    classes:
      "sourcedId!,status,dateLastModified,title!,grades,courseSourcedId!,classCode,classType!,location,schoolSourcedId!,termSourcedIds!,subjects,subjectCodes,periods",
    users:
      "sourcedId!,status,dateLastModified,enabledUser!,orgSourcedIds!,role!,username!,userIds,givenName!,familyName!,middleName,identifier,email,sms,phone,agentSourcedIds,grades,password",
    demographics:
      "sourcedId!,status,dateLastModified,birthDate,sex,americanIndianOrAlaskaNative,asian,blackOrAfricanAmerican,nativeHawaiianOrOtherPacificIslander,white,demographicRaceTwoOrMoreRaces,hispanicOrLatinoEthnicity,countryOfBirthCode,stateOfBirthAbbreviation,cityOfBirth,publicSchoolResidenceStatus",
    enrollments:
      "sourcedId!,status,dateLastModified,classSourcedId!,schoolSourcedId!,userSourcedId!,role!,primary,beginDate,endDate",
    resources: "sourcedId!,status,dateLastModified,vendorResourceId!,title,roles,importance,vendorId,applicationId",
    classResources: "sourcedId!,status,dateLastModified,title,classSourcedId!,resourceSourcedId!",
    courseResources: "sourcedId!,status,dateLastModified,title,courseSourcedId!,resourceSourcedId!",
  },
  "1.2": {
    orgs: "sourcedId!,status,dateLastModified,name!,type!,identifier,parentSourcedId",
    academicSessions: "sourcedId!,status,dateLastModified,title!,type!,startDate!,endDate!,parentSourcedId,schoolYear!",
    courses:
      "sourcedId!,status,dateLastModified,schoolYearSourcedId,title!,courseCode,grades,orgSourcedId!,subjects,subjectCodes",
    classes:
      "sourcedId!,status,dateLastModified,title!,grades,courseSourcedId!,classCode,classType!,location,schoolSourcedId!,termSourcedIds!,subjects,subjectCodes,periods",
    users:
      "sourcedId!,status,dateLastModified,enabledUser!,username!,userIds,givenName!,familyName!,middleName,identifier,email,sms,phone,agentSourcedIds,grades,password,userMasterIdentifier,preferredGivenName,preferredMiddleName,preferredFamilyName,primaryOrgSourcedId,pronouns",
    roles:
      "sourcedId!,status,dateLastModified,userSourcedId!,roleType!,role!,beginDate,endDate,orgSourcedId!,userProfileSourcedId",
    demographics:
      "sourcedId!,status,dateLastModified,birthDate,sex,americanIndianOrAlaskaNative,asian,blackOrAfricanAmerican,nativeHawaiianOrOtherPacificIslander,white,demographicRaceTwoOrMoreRaces,hispanicOrLatinoEthnicity,countryOfBirthCode,stateOfBirthAbbreviation,cityOfBirth,publicSchoolResidenceStatus",
    enrollments:
      "sourcedId!,status,dateLastModified,classSourcedId!,schoolSourcedId!,userSourcedId!,role!,primary,beginDate,endDate",
    resources: "sourcedId!,status,dateLastModified,vendorResourceId!,title,roles,importance,vendorId,applicationId",
    classResources: "sourcedId!,status,dateLastModified,title,classSourcedId!,resourceSourcedId!",
    courseResources: "sourcedId!,status,dateLastModified,title,courseSourcedId!,resourceSourcedId!",
  },
  "1.2.0": {
    users:
      "sourcedId!,status,dateLastModified,enabledUser!,username!,userIds,givenName!,familyName!,middleName,identifier,email,sms,phone,agentSourcedIds,grades,password,userMasterIdentifier,resourceSourcedIds,preferredGivenName,preferredMiddleName,preferredFamilyName,primaryOrgSourcedId,pronouns",
  },
};
