// Faults of the way: statuses, connections, compression, redirects, and pages that are no answers.

import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";

import { type Answer, type Asked, failure, type Fault, json } from "./oneroster-fault.ts";

const html = Buffer.from("<!doctype html><html><body><form>Please sign in</form></body></html>");

function page(status: number, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status, headers: { "content-type": "text/html; charset=utf-8", ...headers }, body: html };
}

/** Answers so instead of the target's second request. */
function once(answer: (asked: Asked) => Answer): Fault["hooks"] {
  return (target) => ({
    instead: (asked) => (asked.collection === target && asked.nth === 2 ? answer(asked) : null),
  });
}

function always(answer: (asked: Asked) => Answer): Fault["hooks"] {
  return (target) => ({ instead: (asked) => (asked.collection === target ? answer(asked) : null) });
}

function ends(end: "reset" | "stall" | "drip", when: (asked: Asked) => boolean): Fault["hooks"] {
  return (target) => ({
    answer: (answer, asked) => (asked.collection === target && when(asked) ? { ...answer, end } : answer),
  });
}

function every(change: (answer: Answer, asked: Asked) => Answer): Fault["hooks"] {
  return () => ({ answer: change });
}

function encoded(answer: Answer, encoding: string, body: Buffer): Answer {
  return { ...answer, headers: { ...answer.headers, "content-encoding": encoding }, body };
}

/** Redirects to the same with one more parameter, which is answered. */
function moved(asked: Asked, status: number): Answer | null {
  if (asked.url.searchParams.has("via")) return null;
  const to = new URL(asked.url);
  to.searchParams.set("via", "1");
  return json(status, {}, { location: `${to.pathname}${to.search}` });
}

const statuses: readonly Fault[] = [
  {
    name: "429-html",
    does: "is busy once, says so in HTML, and asks to wait 0 seconds",
    expected: "whole",
    hooks: once(() => page(429, { "retry-after": "0" })),
  },
  {
    name: "429-retry-after-date",
    does: "is busy once, and says until when",
    expected: "whole",
    hooks: once(({ version }) => ({
      ...failure(429, version, "server_busy"),
      headers: { "retry-after": new Date(Date.now() + 500).toUTCString() },
    })),
  },
  {
    name: "503-once",
    does: "is down once",
    expected: "whole",
    hooks: once(({ version }) => failure(503, version, "server_busy")),
  },
  { name: "502-html-once", does: "has a gateway that is down once", expected: "whole", hooks: once(() => page(502)) },
  {
    name: "500-always",
    does: "fails at one collection",
    expected: "incomplete",
    states: ["unreachable"],
    hooks: always(({ version }) => failure(500, version, "internal_server_error")),
  },
  {
    name: "429-always",
    does: "is busy at one collection for ever",
    expected: "incomplete",
    states: ["unreachable"],
    hooks: always(({ version }) => failure(429, version, "server_busy")),
  },
  {
    name: "html-200",
    does: "answers a login page with status 200",
    expected: "incomplete",
    hooks: always(() => page(200)),
  },
  {
    name: "empty-body",
    does: "answers 200 with nothing at all",
    expected: "incomplete",
    hooks: always(() => ({ ...page(200), body: Buffer.alloc(0) })),
  },
  {
    name: "204-always",
    does: "answers 204 where there are records",
    expected: "incomplete",
    hooks: always(() => ({ status: 204, headers: {}, body: Buffer.alloc(0) })),
  },
];

const connections: readonly Fault[] = [
  {
    name: "reset-mid-body",
    does: "cuts the connection in the middle of a page, once",
    expected: "whole",
    hooks: ends("reset", ({ nth }) => nth === 2),
  },
  {
    name: "reset-always",
    does: "cuts the connection in the middle of every page",
    expected: "incomplete",
    states: ["unreachable"],
    hooks: ends("reset", () => true),
  },
  { name: "slow-body", does: "sends pages in small parts", expected: "whole", hooks: ends("drip", () => true) },
  {
    name: "stalled-body",
    does: "stops sending in the middle of a page, once",
    expected: "whole",
    hooks: ends("stall", ({ nth }) => nth === 2),
  },
  {
    name: "stalled-always",
    does: "stops sending in the middle of every page",
    expected: "incomplete",
    states: ["unreachable"],
    hooks: ends("stall", () => true),
  },
];

const encodings: readonly Fault[] = [
  {
    name: "gzip",
    does: "compresses with gzip",
    expected: "whole",
    hooks: every((answer) => encoded(answer, "gzip", gzipSync(answer.body))),
  },
  {
    name: "deflate",
    does: "compresses with deflate",
    expected: "whole",
    hooks: every((answer) => encoded(answer, "deflate", deflateSync(answer.body))),
  },
  {
    name: "brotli",
    does: "compresses with brotli",
    expected: "whole",
    hooks: every((answer) => encoded(answer, "br", brotliCompressSync(answer.body))),
  },
  {
    name: "bad-gzip",
    does: "says gzip and sends half of it",
    expected: "incomplete",
    states: ["unreachable", "incomplete"],
    hooks: every((answer) => encoded(answer, "gzip", gzipSync(answer.body).subarray(0, -20))),
  },
  {
    name: "gzip-unsaid",
    does: "compresses and does not say so",
    expected: "incomplete",
    hooks: every((answer) => ({ ...answer, body: gzipSync(answer.body) })),
  },
  {
    name: "wrong-content-type",
    does: "says that JSON is plain text",
    expected: "whole",
    hooks: every((answer) => ({ ...answer, headers: { ...answer.headers, "content-type": "text/plain" } })),
  },
  {
    name: "html-content-type",
    does: "says that JSON is HTML",
    expected: "either",
    hooks: every((answer) => ({ ...answer, headers: { ...answer.headers, "content-type": "text/html" } })),
  },
];

const redirects: readonly Fault[] = [
  {
    name: "redirect-same-host",
    does: "redirects to another address of its own",
    expected: "whole",
    hooks: () => ({ instead: (asked) => moved(asked, 302) }),
  },
  {
    name: "redirect-permanently",
    does: "redirects for good to another address of its own",
    expected: "whole",
    hooks: () => ({ instead: (asked) => moved(asked, 308) }),
  },
  {
    name: "redirect-loop",
    does: "redirects to itself",
    expected: "incomplete",
    states: ["unreachable", "incomplete"],
    hooks: always(({ url }) => json(302, {}, { location: url.href })),
  },
  {
    name: "redirect-other-host",
    does: "redirects to another host",
    expected: "incomplete",
    states: ["unreachable", "incomplete"],
    hooks: always(({ url, stranger }) => json(307, {}, { location: `${stranger}${url.pathname}` })),
  },
];

export const transportFaults: readonly Fault[] = [...statuses, ...connections, ...encodings, ...redirects];
