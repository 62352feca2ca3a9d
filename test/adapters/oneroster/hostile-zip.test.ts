// Zips that no honest program writes, each with its own fault and sentence, and odd ones that are read all the same (C015).

import { once } from "node:events";
import { createWriteStream, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";

import t, { type Test } from "tap";
import { ZipFile } from "yazl";

import { type DeliveredSet, defaultSetLimits, openSet } from "../../../libs/adapters/oneroster/set-reader.ts";
import { isAppError } from "../../../libs/errors.ts";
import { extraField, type RawEnd, type RawEntry, rawZip, secondName } from "./raw-zip.ts";

const users: RawEntry = { name: "users.csv" };
const orgs: RawEntry = { name: "orgs.csv" };
const isUtf8 = 0x800;
const zeros = Buffer.alloc(2_000_000);

/** Two entries whose bytes are the same: the list says of the second what is true of the first. */
function sharing(): Buffer {
  const alone = rawZip([{ ...users, content: "a".repeat(5000) }]);
  const twice = rawZip([
    { ...users, content: "a".repeat(5000) },
    { ...orgs, content: "a".repeat(5000), offset: 0 },
  ]);
  return twice.subarray(0, Math.max(alone.length, twice.length));
}

/** An end of a 64-bit zip that lies where no file has a place. */
function endBeyondEverything(): Buffer {
  const locator = Buffer.alloc(20);
  locator.write("PK\u0006\u0007", "latin1");
  locator.fill(0xff, 8, 16);
  return locator;
}

/** A list that alone would take more memory than a set is worth. */
const talkative = Array.from({ length: 30 }, (_, n): RawEntry => ({
  name: `${n}.txt`,
  extra: extraField(0x9999, Buffer.alloc(60_000)),
}));

type Case = {
  readonly what: string;
  readonly zip: Buffer | readonly RawEntry[];
  readonly end?: RawEnd;
  readonly fault: string;
  readonly sentence: RegExp;
};

const cases: readonly Case[] = [
  {
    what: "climbs",
    zip: [{ name: "../users.csv" }],
    fault: "zip.climbs",
    sentence: /\.\.\/users\.csv climbs to a place/u,
  },
  { what: "climbs within", zip: [{ name: "a/../../users.csv" }], fault: "zip.climbs", sentence: /climbs/u },
  { what: "climbs by backslashes", zip: [{ name: "..\\users.csv" }], fault: "zip.climbs", sentence: /climbs/u },
  { what: "climbs by a folder", zip: [{ name: "../" }, users], fault: "zip.climbs", sentence: /climbs/u },
  {
    what: "climbs by its second name",
    zip: [{ name: "a.txt", extra: secondName("a.txt", "../a.txt") }],
    fault: "zip.climbs",
    sentence: /climbs/u,
  },
  { what: "is absolute", zip: [{ name: "/users.csv" }], fault: "zip.absolute", sentence: /names a place outside/u },
  {
    what: "is absolute on a share",
    zip: [{ name: "\\\\host\\users.csv" }],
    fault: "zip.absolute",
    sentence: /names a place/u,
  },
  {
    what: "names a drive",
    zip: [{ name: "C:\\users.csv" }],
    fault: "zip.absolute",
    sentence: /C:\/users\.csv names a place/u,
  },
  {
    what: "is a link",
    zip: [{ ...users, content: "/etc/hosts", attributes: 0xa1ff0000 }],
    fault: "zip.link",
    sentence: /users\.csv is a link/u,
  },
  {
    what: "is a device",
    zip: [{ ...users, attributes: 0x21b60000 }],
    fault: "zip.special",
    sentence: /users\.csv is no plain file/u,
  },
  { what: "stands there twice", zip: [users, users], fault: "zip.twice", sentence: /two entries named users\.csv/u },
  {
    what: "stands there twice, once with a backslash",
    zip: [{ name: "a/users.csv" }, { name: "a\\users.csv" }],
    fault: "zip.twice",
    sentence: /two entries/u,
  },
  {
    what: "differs in case alone",
    zip: [users, { name: "Users.CSV" }],
    fault: "zip.case",
    sentence: /differ in case alone: users\.csv and Users\.CSV/u,
  },
  {
    what: "has two names",
    zip: [{ name: "read.me", extra: secondName("read.me", "users.csv") }],
    fault: "zip.two_names",
    sentence: /read\.me has a second name, users\.csv/u,
  },
  { what: "has no name", zip: [{ name: "" }], fault: "zip.nameless", sentence: /without a name/u },
  {
    what: "is named otherwise before its bytes",
    zip: [{ ...users, localName: "other.csv" }],
    fault: "zip.header",
    sentence: /users\.csv is described otherwise/u,
  },
  {
    what: "begins at no entry",
    zip: [users, { ...orgs, offset: 60 }],
    fault: "zip.place",
    sentence: /orgs\.csv does not begin where/u,
  },
  {
    what: "unpacks to too much",
    zip: [{ ...users, content: zeros }],
    fault: "zip.ratio",
    sentence: /more than 250 times its size/u,
  },
  {
    what: "unpacks to more than it says",
    zip: [{ ...users, content: zeros, uncompressedSize: 1000 }],
    fault: "zip.longer",
    sentence: /unpacks to more bytes than the zip says/u,
  },
  {
    what: "unpacks to fewer than it says",
    zip: [{ ...users, uncompressedSize: 1000 }],
    fault: "zip.shorter",
    sentence: /unpacks to fewer bytes/u,
  },
  {
    what: "hides its ratio by a size beyond the file",
    zip: [{ ...users, content: zeros, compressedSize: 1_000_000 }],
    fault: "zip.over_end",
    sentence: /ends after the zip does/u,
  },
  {
    what: "begins after the end",
    zip: [users, { ...orgs, offset: 1_000_000 }],
    fault: "zip.over_end",
    sentence: /orgs\.csv ends after/u,
  },
  {
    what: "shares its bytes",
    zip: sharing(),
    fault: "zip.overlap",
    sentence: /share their bytes: users\.csv and orgs\.csv/u,
  },
  {
    what: "is not compressed and has two sizes",
    zip: [{ ...users, method: 0, uncompressedSize: 3 }],
    fault: "zip.stored_bytes",
    sentence: /has two sizes/u,
  },
  { what: "is encrypted", zip: [{ ...users, flags: 1 }], fault: "zip.encrypted", sentence: /users\.csv is encrypted/u },
  {
    what: "is encrypted strongly",
    zip: [{ ...users, flags: 0x40 }],
    fault: "zip.encrypted",
    sentence: /the zip is encrypted/u,
  },
  {
    what: "hides its header",
    zip: [{ ...users, flags: 0x2000 }],
    fault: "zip.encrypted",
    sentence: /users\.csv is encrypted/u,
  },
  {
    what: "is packed otherwise",
    zip: [{ ...users, method: 14 }],
    fault: "zip.method",
    sentence: /not compressed by DEFLATE/u,
  },
  {
    what: "has another checksum",
    zip: [{ ...users, crc: 1 }],
    fault: "zip.damaged",
    sentence: /users\.csv is damaged/u,
  },
  {
    what: "is no DEFLATE",
    zip: [{ ...users, packed: Buffer.alloc(20, 7) }],
    fault: "zip.damaged",
    sentence: /is damaged/u,
  },
  {
    what: "is packed otherwise before its bytes",
    zip: [{ ...users, localMethod: 0 }],
    fault: "zip.header",
    sentence: /is described otherwise/u,
  },
  {
    what: "lies in several folders",
    zip: [{ name: "a/users.csv" }, orgs],
    fault: "zip.folders",
    sentence: /several or nested folders/u,
  },
  { what: "lies deep", zip: [{ name: "a/b/users.csv" }], fault: "zip.folders", sentence: /several or nested folders/u },
  {
    what: "is one of more entries than there may be",
    zip: Array.from({ length: 1001 }, (_, n) => ({ name: `${n}.txt` })),
    fault: "zip.entries",
    sentence: /more than 1000 entries/u,
  },
  {
    what: "is counted and not there",
    zip: [users],
    end: { count: 2 },
    fault: "zip.list",
    sentence: /list of entries is damaged/u,
  },
  {
    what: "has a damaged extra field",
    zip: [{ ...users, extra: Buffer.from([1, 0, 99, 0]) }],
    fault: "zip.list",
    sentence: /list of entries is damaged/u,
  },
  { what: "has a long list", zip: talkative, fault: "zip.list_bytes", sentence: /more than 1000000 bytes of names/u },
  { what: "is on another disk", zip: [users], end: { disk: 1 }, fault: "zip.parts", sentence: /one of several parts/u },
  {
    what: "stands behind a program",
    zip: [users],
    end: { prefix: Buffer.from("MZ program") },
    fault: "zip.prefix",
    sentence: /begins with something else/u,
  },
  {
    what: "is followed by bytes",
    zip: Buffer.concat([rawZip([users]), Buffer.from("more")]),
    fault: "zip.trailing",
    sentence: /goes on after its end/u,
  },
  {
    what: "has a comment that looks like an end",
    zip: [users],
    end: { comment: Buffer.from("PK\u0005\u0006 and more than an end is long") },
    fault: "zip.trailing",
    sentence: /comment that looks like another end/u,
  },
  {
    what: "has a zip in its comment",
    zip: [users],
    end: { comment: rawZip([orgs, users]) },
    fault: "zip.list",
    sentence: /damaged/u,
  },
  {
    what: "has a zip in its comment that knows where it is",
    zip: rawZip([orgs], { prefix: rawZip([users]) }),
    fault: "zip.prefix",
    sentence: /begins with something else/u,
  },
  {
    what: "ends where no file has a place",
    zip: [users],
    end: { beforeEnd: endBeyondEverything() },
    fault: "zip.end",
    sentence: /the zip's end is damaged/u,
  },
  { what: "is cut short", zip: rawZip([users]).subarray(0, -30), fault: "zip.part", sentence: /only a part of a zip/u },
  { what: "lost its beginning", zip: rawZip([users, orgs]).subarray(40), fault: "zip.list", sentence: /damaged/u },
  {
    what: "is RAR",
    zip: Buffer.from("Rar!\u001a\u0007 and so on, for more than 22 bytes"),
    fault: "zip.other_format",
    sentence: /a RAR archive, not a zip/u,
  },
  { what: "is 7-Zip", zip: Buffer.from("377abcaf271c", "hex"), fault: "zip.other_format", sentence: /7-Zip/u },
  { what: "is gzip", zip: Buffer.from("1f8b0800", "hex"), fault: "zip.other_format", sentence: /gzip/u },
  { what: "is text", zip: Buffer.from("sourcedId,status\r\n"), fault: "zip.none", sentence: /not a zip archive/u },
  { what: "is empty", zip: Buffer.alloc(0), fault: "zip.none", sentence: /not a zip archive/u },
];

function fileOf(t: Test, bytes: Buffer): string {
  const path = join(t.testdir(), "set.zip");
  writeFileSync(path, bytes);
  return path;
}

async function readAll(set: DeliveredSet): Promise<Readonly<Record<string, string>>> {
  const read: Record<string, string> = {};
  try {
    for (const entry of set.entries) read[entry.name] = await text(await entry.open());
  } finally {
    set.close();
  }
  return read;
}

void t.test("each hostile zip is refused with its own fault, and a sentence that is only its own", async (t) => {
  const sentences = new Map<string, string>();
  for (const { what, zip, end, fault, sentence } of cases) {
    const bytes = "byteLength" in zip ? zip : rawZip(zip, end);
    const path = fileOf(t, bytes);
    const thrown: unknown = await openSet(path)
      .then(readAll)
      .catch((error: unknown) => error);
    if (!isAppError(thrown, "set.unreadable")) {
      t.fail(`a zip that ${what} is read`);
      continue;
    }
    t.equal(thrown.details["fault"], fault, `a zip that ${what}`);
    t.match(thrown.message, sentence, thrown.message);
    const general = thrown.message.replaceAll(/entry \S+|named \S+|: \S+ and \S+/gu, "");
    const other = sentences.get(general) ?? fault;
    t.equal(other, fault, "no other fault has this sentence");
    sentences.set(general, fault);
  }
});

void t.test("limits on sizes are told with the limit", async (t) => {
  const path = fileOf(t, rawZip([users, orgs]));
  const refused = { code: "set.unreadable" } as const;
  await t.rejects(openSet(path, { ...defaultSetLimits, entryBytes: 5 }), {
    ...refused,
    details: { fault: "zip.entry_bytes" },
  });
  await t.rejects(openSet(path, { ...defaultSetLimits, totalBytes: 15 }), {
    ...refused,
    details: { fault: "zip.total_bytes" },
  });
});

void t.test("what is odd and harmless is read, or told and left alone", async (t) => {
  const inner = rawZip([users]);
  const set = await openSet(
    fileOf(
      t,
      rawZip([
        { name: "export\\" },
        { name: "export\\users.csv", descriptor: true, content: "a" },
        { name: "export\\orgs.csv", method: 0, content: "b" },
        { name: "export\\more.zip", content: inner },
        { name: "export\\classes.csv.zip", content: inner },
        { name: Buffer.from([0xff, 0xfe]), flags: isUtf8 },
        { name: "M?ller.txt", extra: secondName("M?ller.txt", "Müller.txt") },
        { name: "users.csv\0.txt" },
        { name: "Academicsessons.csv" },
        { name: "a b" },
      ]),
    ),
  );
  t.strictSame(
    set.notes.map((note) => ("file" in note ? [note.file, "suggestion" in note ? note.suggestion : null] : [])),
    [
      ["export/", null],
      ["Academicsessons.csv", "academicSessions.csv"],
      ["Müller.txt", null],
      ["a b", null],
      ["export/classes.csv.zip", "classes.csv"],
      ["export/more.zip", null],
      ["users.csv\\u0000.txt", null],
      ["\ufffd\ufffd", null],
    ],
  );
  t.strictSame(await readAll(set), { "orgs.csv": "b", "users.csv": "a" }, "an archive in the archive is not opened");
});

void t.test("a set without any file of the standard says nothing, an archive in it or not", async (t) => {
  for (const zip of [rawZip([]), rawZip([{ name: "set.zip", content: rawZip([users]) }])])
    t.strictSame(await readAll(await openSet(fileOf(t, zip))), {});
});

void t.test("a zip of 64-bit sizes and sizes after the bytes is read", async (t) => {
  const path = join(t.testdir(), "set.zip");
  const zip = new ZipFile();
  zip.addReadStream(Readable.from([Buffer.from("a")]), "users.csv", { forceZip64Format: true });
  zip.addBuffer(Buffer.from("b"), "orgs.csv", { forceZip64Format: true });
  zip.end({ forceZip64Format: true, comment: "" });
  const out = createWriteStream(path);
  zip.outputStream.pipe(out);
  await once(out, "close");
  t.strictSame(await readAll(await openSet(path)), { "orgs.csv": "b", "users.csv": "a" });
});
