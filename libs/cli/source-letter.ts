// What a district is sent so that it can upload: where, as whom, what, and how it knows that it talks to us.
// It keeps true that a password is shown by the command that made it, and never again.

import { sftpAddressFromEnv } from "../../services/ingest-sftp/config.ts";
import type { HostKeys } from "../adapters/sftp/host-keys.ts";
import type { Source } from "../adapters/postgres/sources.ts";
import type { DropSettings } from "../domain/source.ts";
import { settingsFromEnv } from "./system.ts";

/** How a district reaches its account. */
export type Access = {
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly hostKeys: HostKeys["fingerprints"];
};

const usualPort = 22;
const localHosts: readonly string[] = ["127.0.0.1", "::1", "localhost", "0.0.0.0", "::"];

/** @returns null when nobody signs in for the source. */
export async function accessOf({
  kind,
  district,
  id,
}: Pick<Source, "kind" | "district" | "id">): Promise<Access | null> {
  if (kind !== "sftp") return null;
  const { host, port } = splitAddress(sftpAddressFromEnv().published);
  // Loaded when they are needed: ssh2 takes a while, and most commands do without.
  const { usernameOf } = await import("../adapters/sftp/accounts.ts");
  const { openHostKeys } = await import("../adapters/sftp/host-keys.ts");
  const { fingerprints } = await openHostKeys(settingsFromEnv().dataDir);
  return { host, port, username: usernameOf(district, id), hostKeys: fingerprints };
}

/** What is most likely not meant: an address that a district cannot reach. */
export function accessWarnings(access: Access | null): readonly string[] {
  if (access === null || !localHosts.includes(access.host)) return [];
  return [`${access.host} is this machine alone: say in ROLLCALL_SFTP_PUBLIC how districts reach the server`];
}

export type Letter = {
  readonly access: Access | null;
  readonly settings: DropSettings;
  /** The district's. */
  readonly timeZone: string;
  /** Of the command that made it; null otherwise. */
  readonly password: string | null;
};

/** The letter to the district, for an SFTP account (A028 to A036, C016, D011 to D013). */
export function letter({ access, settings, timeZone, password }: Letter): readonly string[] {
  if (access === null) return [];
  const { addresses, window, expected, path, format } = settings;
  const read =
    window === null
      ? `once all files are there and none has changed for ${settings.quietSeconds} seconds`
      : `at the times ${window} (cron, ${timeZone})`;
  return [
    "To be sent to the district:",
    "  Protocol:      SFTP (not FTP, not FTPS)",
    `  Host:          ${access.host}`,
    `  Port:          ${access.port}`,
    `  User name:     ${access.username}`,
    ...(password === null ? [] : [`  Password:      ${password}   (shown this once)`]),
    ...access.hostKeys.map(({ type, fingerprint }) => `  Host key:      ${type} ${fingerprint}`),
    `  Connect from:  ${addresses.length === 0 ? "any address" : addresses.join(", ")}`,
    `  Upload to:     ${path}`,
    `  What:          ${whatToSend[format]}`,
    ...(expected === null ? [] : [`  When:          ${expected} (cron, ${timeZone})`]),
    `  Read:          ${read}`,
    "  Reports:       in the folder /reports, as text and JSON",
  ];
}

const whatToSend: Readonly<Record<DropSettings["format"], string>> = {
  any: "the OneRoster CSV files with their exact names, all of them each time, or one zip of them",
  files: "the OneRoster CSV files with their exact names, all of them each time",
  zip: "one zip of the OneRoster CSV files, with all of them each time",
};

/** `host`, `host:port` or `[address]:port`. */
function splitAddress(address: string): { readonly host: string; readonly port: number } {
  const found = /^(?:\[(?<inner>[^\]]+)\]|(?<host>[^:]+))(?::(?<port>\d{1,5}))?$/u.exec(address)?.groups;
  return {
    host: found?.["inner"] ?? found?.["host"] ?? address,
    port: found?.["port"] === undefined ? usualPort : Number(found["port"]),
  };
}
