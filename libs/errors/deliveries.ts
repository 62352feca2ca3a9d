// Errors about districts, their deliveries, and what is published of them.

import type { ErrorEntry } from "./entry.ts";

/** Codes of this area, sorted. */
export const deliveriesErrors = {
  "changeset.exceeds": {
    message: "finishing a changeset that was begun",
    status: 500,
    retryable: false,
    remedy:
      "The district has stopped so that nothing is deleted by mistake. Look at the changeset's row and the plan, then resume the work.",
  },
  "delivery.range-unusable": {
    message: "reading the range of a delivery",
    status: 409,
    retryable: false,
    remedy: "Nothing: the range is asked for again and the district goes on when it is there.",
  },
  "delivery.unfillable": {
    message: "filling the range of a delivery again",
    status: 409,
    retryable: false,
    remedy:
      "Its files are no longer kept in landing, or what is there is refused when read again. Deliver the set once more.",
  },
  "delivery.unknown": {
    message: "looking up the delivery",
    status: 404,
    retryable: false,
    remedy: "Check the id: it reads district, source, number, with dots between.",
  },
  "demo.differs": {
    message: "holding published changes against the ledger",
    status: 500,
    retryable: false,
    remedy: "This is a fault of Rollcall: report it with the lines above.",
  },
  "district.busy": {
    message: "waiting for the services that work on the district",
    status: 409,
    retryable: true,
    remedy: "Nothing was lost. Give the command again once they have done their work, or stop them first.",
  },
  "district.unknown": {
    message: "looking up the district",
    status: 404,
    retryable: false,
    remedy: "List the districts with `rollcall district list`, or make it with `rollcall district add`.",
  },
  "inbox.ahead": {
    message: "following a topic that ends before what was read of it",
    status: 500,
    retryable: false,
    remedy:
      "The log lost records that were acknowledged, as after an unclean election or a copy put back: restore it. If they are gone, `rollcall topics skip` moves the consumer to where the topic's new records begin; then deliver the sets of the last hours again.",
  },
  "inbox.gap": {
    message: "following a topic whose next records are no longer kept",
    status: 500,
    retryable: false,
    remedy:
      "Work was lost before it was taken: `rollcall topics skip` with --to start moves the consumer to what there is; then deliver the districts' sets again.",
  },
  "inbox.restarted": {
    message: "reading a control topic again from its beginning",
    status: 409,
    retryable: false,
    remedy:
      "If the topic was deleted and made again, find out by whom: what stood in it and was not read is lost, so deliver the districts' sets again. If the consumer was away for weeks, nothing: what was deleted meanwhile is deleted now.",
  },
  "landing.io": {
    message: "reading or writing the landing store",
    status: 503,
    retryable: true,
    remedy: "Check that the landing folder exists, has room, and may be written by this user.",
  },
  "plan.none": {
    message: "looking up the open plan",
    status: 404,
    retryable: false,
    remedy: "Nothing waits for a decision in this district.",
  },
  "roster.too-large": {
    message: "publishing a class that is larger than a record may be",
    status: 422,
    retryable: false,
    remedy:
      "The class is left out of its teachers' rosters, all others are there. Correct its enrollments at the source, or deliver it as several classes.",
  },
  "roster.unappliable": {
    message: "applying a changeset to the roster tables",
    status: 500,
    retryable: false,
    remedy:
      "A value was published that the tables do not take. Deliver the row corrected, then resume the district or rebuild it.",
  },
  "rosters.busy": {
    message: "waiting for the district's rosters",
    status: 409,
    retryable: true,
    remedy: "Another process is applying a changeset to the district. Give the command once more when it is done.",
  },
  "sample.io": {
    message: "writing the sample",
    status: 500,
    retryable: false,
    remedy: "Check that the folder may be written by this user and that the disk has room.",
  },
  "report.io": {
    message: "writing a report into a district's folder",
    status: 503,
    retryable: true,
    remedy: "Check that the folder may be written by this user and that the disk has room. It is tried again.",
  },
  "set.incomplete": {
    message: "reading a set whose files are not those that were taken",
    status: 500,
    retryable: true,
    remedy:
      "Restore the set's files below the drops folder, or ask the district to upload the whole set again in bulk: it is read in the place of this one.",
  },
  "set.io": {
    message: "reading the files of a set",
    status: 503,
    retryable: true,
    remedy: "Look at the disk, and at how many files may be open. The set is kept and tried again.",
  },
  "set.unreadable": {
    message: "reading the set",
    status: 422,
    retryable: false,
    remedy: "Check that the path is a folder or a whole zip file with CSV files at its root.",
  },
  "source.disabled": {
    message: "delivering from a source that is disabled",
    status: 409,
    retryable: true,
    remedy: "Enable it with `rollcall source enable`, or deliver from the source that the district has instead.",
  },
  "source.exists": {
    message: "making a source that is there already",
    status: 409,
    retryable: false,
    remedy: "Change it with `rollcall source set`, or choose another id with --source.",
  },
  "source.folder": {
    message: "looking into the folder of a source",
    status: 503,
    retryable: true,
    remedy:
      "Check that the folder of the source is there and may be read and, unless it is set as read-only, written by this user.",
  },
  "source.key-exists": {
    message: "adding a public key that the account has already",
    status: 409,
    retryable: false,
    remedy: "Nothing: whoever has the private key can sign in. `rollcall source show` lists the keys.",
  },
  "source.passwords": {
    message: "adding a third password to an account",
    status: 409,
    retryable: false,
    remedy:
      "End one first with `rollcall source end-credential`, or all of them with `rollcall source password --replace`.",
  },
  "source.second": {
    message: "delivering from a second source of a district",
    status: 409,
    retryable: false,
    remedy:
      "A district has one active source for now, because two would delete each other's rows. Deliver from the source it has, or disable that one first with `rollcall source disable`.",
  },
  "source.unknown": {
    message: "looking up the source",
    status: 404,
    retryable: false,
    remedy: "List the district's sources with `rollcall source list`, or make one with `rollcall source add`.",
  },
  "work.not-waiting": {
    message: "finishing work that is not waiting",
    status: 409,
    retryable: false,
    remedy: "Nothing: the work was finished or stopped by someone else, and this attempt was rolled back.",
  },
} as const satisfies Readonly<Record<string, ErrorEntry>>;
