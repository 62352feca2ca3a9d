// Errors of what Rollcall runs on and how it is used: settings, database, log, registry, commands, the HTTP API.

import type { ErrorEntry } from "./entry.ts";

/** Codes of this area, sorted. */
export const machineErrors = {
  "api.address": {
    message: "opening the address of the HTTP API",
    status: 500,
    retryable: false,
    remedy: "Free the port, or choose another with ROLLCALL_HTTP_PORT; 0 takes any that is free.",
  },
  "api.failed": {
    message: "answering the request",
    status: 500,
    retryable: false,
    remedy: "This is a fault of Rollcall: look for the line about this request in the log of the services.",
  },
  "api.route": {
    message: "looking up the path",
    status: 404,
    retryable: false,
    remedy: "GET /openapi.json lists every path and method.",
  },
  "config.invalid": {
    message: "reading the configuration",
    status: 500,
    retryable: false,
    remedy: "Correct every setting that the message names, then give the command again.",
  },
  "data.busy": {
    message: "opening the data folder",
    status: 409,
    retryable: false,
    remedy:
      "Wait for the other command, or stop it: `rollcall up` by Ctrl-C, a local stack by `make down`. While one of these runs, any number of commands work side by side.",
  },
  "database.start": {
    message: "starting the embedded PostgreSQL",
    status: 503,
    retryable: false,
    remedy: "Read the cause: free the disk, choose another data directory, or set DATABASE_URL to a server that runs.",
  },
  "database.unreachable": {
    message: "talking to PostgreSQL",
    status: 503,
    retryable: true,
    remedy: "Nothing if it passes. Otherwise check that the server of DATABASE_URL runs and accepts this host.",
  },
  "kafka.refused": {
    message: "asking Kafka for something that it refuses",
    status: 500,
    retryable: false,
    remedy:
      "Read the type that the message names: mostly credentials, or an access rule that is missing for the topic or the transactional id.",
  },
  "kafka.unreachable": {
    message: "talking to Kafka",
    status: 503,
    retryable: true,
    remedy: "Nothing if it passes. Otherwise check that the brokers of KAFKA_BROKERS run and accept this host.",
  },
  "lease.lost": {
    message: "holding the lease",
    status: 409,
    retryable: true,
    remedy: "Nothing: another process took the work over. If it recurs, look for two installations on one database.",
  },
  "log.beginning-lost": {
    message: "folding a compacted topic that lost its beginning",
    status: 500,
    retryable: false,
    remedy:
      "Find who deleted its records or changed its cleanup.policy. Put the topic back from a copy; without one delete it: all is published anew, and subscribers start over. Then `rollcall resume <district>`.",
  },
  "log.generation": {
    message: "reading a topic that was deleted or made again",
    status: 409,
    retryable: false,
    remedy: "Start over from the topic's beginning: what was read belongs to a log that is gone.",
  },
  "log.other": {
    message: "opening an installation with another log than it began with",
    status: 409,
    retryable: false,
    remedy:
      "Set KAFKA_BROKERS, KAFKA_TOPIC_PREFIX and SCHEMA_REGISTRY_URL as it had them, or take them away, as the message says; or begin anew in another data folder and database, with a prefix of its own.",
  },
  "log.range-expired": {
    message: "reading a range whose beginning is no longer kept",
    status: 410,
    retryable: false,
    remedy:
      "Nothing: the range is filled again from landing on request. If landing lost it too, deliver the set again.",
  },
  "log.range-short": {
    message: "reading a range that ends beyond the log",
    status: 500,
    retryable: false,
    remedy: "The log lost records that were acknowledged: restore it, or deliver the set again.",
  },
  "log.record-too-large": {
    message: "appending a record above the log's limit",
    status: 422,
    retryable: false,
    remedy: "Look at the row that the record's origin names: a field of it is far longer than the standard means.",
  },
  "log.unknown-topic": {
    message: "looking up the topic",
    status: 404,
    retryable: false,
    remedy: "Check the district: its topics are made when it is added and removed when it leaves.",
  },
  "log.writer-fenced": {
    message: "appending as a writer that was replaced",
    status: 409,
    retryable: true,
    remedy: "Nothing: a newer writer has the topic and nothing was written by this one.",
  },
  "registry.ids-changed": {
    message: "opening a schema registry that lost its ids",
    status: 409,
    retryable: false,
    remedy:
      "Put the registry's data back from a copy: stored records name their schemas by the ids it had. If the installation itself is new, check SCHEMA_REGISTRY_URL.",
  },
  "registry.incompatible": {
    message: "registering a schema that cannot read, or be read by, its earlier forms",
    status: 409,
    retryable: false,
    remedy:
      "Give the field that the message names a default, or leave it as it was: compacted topics keep records of every form for ever.",
  },
  "registry.undecodable": {
    message: "decoding a record",
    status: 500,
    retryable: false,
    remedy: "The record is not of this system or is damaged: look at the topic and offset that the message names.",
  },
  "registry.unknown-schema": {
    message: "looking up the schema",
    status: 500,
    retryable: false,
    remedy: "The record was written by a newer version: update this installation.",
  },
  "registry.unpinned": {
    message: "loading schemas that differ from their pinned form",
    status: 500,
    retryable: false,
    remedy:
      "Run `node libs/adapters/registry/pin.ts`: a changed schema gets a new id, and its old form stays readable.",
  },
  "registry.unreachable": {
    message: "talking to the schema registry",
    status: 503,
    retryable: true,
    remedy: "Nothing if it passes. Otherwise check that the server of SCHEMA_REGISTRY_URL runs and accepts this host.",
  },
  "registry.unregistered": {
    message: "looking up a schema that was never registered",
    status: 503,
    retryable: true,
    remedy: "Run `rollcall topics apply`: schemas are registered from there and from nowhere else.",
  },
  "request.invalid": {
    message: "reading the request",
    status: 400,
    retryable: false,
    remedy: "Correct what the message names; GET /openapi.json says what a request may hold.",
  },
  "services.gone": {
    message: "waiting for the services: they have ended, or one of them",
    status: 503,
    retryable: true,
    remedy:
      "Nothing that was received is lost. Start `rollcall up` again, or `make up` where each is a process of its own, or give the same command once more.",
  },
  "sftp.address": {
    message: "opening the address of the SFTP server",
    status: 500,
    retryable: false,
    remedy: "Free the port, or choose another with ROLLCALL_SFTP_PORT; 0 takes any that is free.",
  },
  "stack.start": {
    message: "starting the local stack",
    status: 503,
    retryable: false,
    remedy: "Read the cause: install what it names, free the port or the memory, then give the command again.",
  },
  "topics.changed": {
    message: "looking at topics whose settings others have changed",
    status: 500,
    retryable: false,
    remedy:
      "Find out who changed them, then `rollcall topics apply`; with --dry-run it only shows what differs. What a broker has deleted meanwhile it does not bring back.",
  },
  "topics.differ": {
    message: "reading back the topics that were just changed",
    status: 500,
    retryable: false,
    remedy: "The brokers took the settings and have others: look for a policy of theirs, then apply again.",
  },
  "topics.lossy": {
    message: "changing a topic by which records would be lost",
    status: 409,
    retryable: false,
    remedy:
      "Nothing was changed. If it is meant, change that one topic with Kafka's own tools, then apply again; if not, find out who changed it.",
  },
  usage: {
    message: "understanding the command",
    status: 400,
    retryable: false,
    remedy: "Add --help to the command: it shows the arguments and an example.",
  },
} as const satisfies Readonly<Record<string, ErrorEntry>>;
