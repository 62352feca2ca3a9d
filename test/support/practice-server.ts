// `make practice`, or `make practice AUTH=oauth1`: a OneRoster API over a made-up district, to try pulling with
// (docs/apis.md). It says where it is and what a district would send, and shows the second night after Enter.
// OAuth 1 goes with OneRoster 1.1, OAuth 2 with 1.2.

import { once } from "node:events";

import { oneRosterServer } from "./oneroster-server.ts";
import { truthOf } from "./oneroster-items.ts";

const isOAuth1 = process.argv[2] === "oauth1";
const version = isOAuth1 ? "1.1" : "1.2";
const endings: (() => unknown)[] = [];
const server = await oneRosterServer(
  { teardown: (ending) => void endings.push(ending) },
  { version, auth: isOAuth1 ? "oauth1-sha256" : "oauth2", students: 100 },
);
const { id = "", secret = "" } = server.credentials;
process.stdout.write(`OneRoster ${version}, ${isOAuth1 ? "OAuth 1.0a, HMAC-SHA256" : "OAuth 2"}

Base URL: ${server.url}
${isOAuth1 ? "" : `Token URL: ${server.tokenUrl}\n`}
id: ${id}
secret: ${secret}

Enter: the second night. Ctrl-C ends it.
`);
await once(process.stdin, "data");
server.setData(await truthOf({ version, students: 100, night: 2 }));
process.stdout.write("it is the second night\n");
