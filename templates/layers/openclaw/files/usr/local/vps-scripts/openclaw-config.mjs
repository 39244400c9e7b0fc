// Changes managed keys of OpenClaw's configuration, and leaves every other key to the gateway and its users.
// Runs as user openclaw, never as root: the folder is that user's, who could plant links in it.
//
// usage: node openclaw-config.mjs COMMAND [ID]
//          stage ID stdin: {"before": {…}, "now": {…}, "begin": {…}}, the managed keys of the last run and of this one, and what a new file
//                   begins with (nothing by default); writes the candidate and prints its path and the hash of the file that it is made from
//                   (`none` if it is a new one), or prints nothing if the file is right already
//          swap ID HASH  makes the candidate the file, unless the file changed since
//          aside ID      sets the file aside
//          back ID       puts back what was set aside
//          read     prints the file
//          json     prints what it holds, as plain JSON
//          restore ID  stdin: what `read` printed; empty removes the file; then as back
//
// What stands in the place of the folder, the file or the candidate and is none is set aside, beside its place, as NAME.set-aside-ID.
// exit code: 0 done; 3 what the file holds can't be read; 1 anything else
import * as crypto from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { createRequire } from "node:module";

/** @typedef {null | boolean | number | string | Json[] | { [key: string]: Json }} Json */

/** @type {(value: unknown) => value is Record<string, Json>} */
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * The file's content with the managed keys as they should be now. A key that was managed before, and isn't now, goes
 * if it still has the value that it was given; a list is one value.
 *
 * @param {Record<string, Json>} current @param {Record<string, Json>} before @param {Record<string, Json>} now
 */
export function merge(current, before, now) {
  return overlay(strip(current, before, now), now);
}

/** @returns {Record<string, Json>} `current` without what only `before` manages */
function strip(current, before, now) {
  const kept = Object.entries(current).flatMap(([key, value]) => {
    if (!Object.hasOwn(before, key)) {
      return [[key, value]];
    }
    const was = before[key];
    const is = Object.hasOwn(now, key) ? now[key] : undefined;
    if (isObject(value) && isObject(was)) {
      const rest = strip(value, was, isObject(is) ? is : {});
      return Object.keys(rest).length > 0 || Object.keys(value).length === 0 || is !== undefined ? [[key, rest]] : [];
    }
    return is === undefined && same(value, was) ? [] : [[key, value]];
  });
  return Object.fromEntries(kept);
}

/** @returns {Record<string, Json>} `current` with every value of `now` */
function overlay(current, now) {
  const entries = new Map(Object.entries(current));
  for (const [key, value] of Object.entries(now)) {
    const old = entries.get(key);
    entries.set(key, isObject(value) ? overlay(isObject(old) ? old : {}, value) : value);
  }
  return Object.fromEntries(entries);
}

/** True if both hold the same, in whatever order their keys stand. */
export function same(a, b) {
  return JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
}

function sorted(value) {
  if (Array.isArray(value)) {
    return value.map(sorted);
  }
  const entries = isObject(value) && Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return entries ? Object.fromEntries(entries.map(([key, inner]) => [key, sorted(inner)])) : value;
}

/** What the file holds can't be read: its user may have mistyped. */
class ContentError extends Error {}

/** Under which name things are set aside in this run. */
let id = "";

/** Sets aside what stands in the way, whatever it is, and says so. */
function setAside(file) {
  const aside = `${file}.set-aside-${id}`;
  fs.renameSync(file, aside);
  process.stderr.write(`openclaw.json: set aside what stood in the place of ${file}, as ${aside}\n`);
}

/** Puts back what was set aside in the place of a path, instead of what is there now. */
function putBack(file) {
  const aside = `${file}.set-aside-${id}`;
  if (fs.lstatSync(aside, { throwIfNoEntry: false }) !== undefined) {
    fs.rmSync(file, { recursive: true, force: true });
    fs.renameSync(aside, file);
  }
}

/** Makes the folder, in a home that its user can use. What stands in its place is set aside. */
function makeFolder(folder) {
  const home = path.dirname(folder);
  if ((fs.lstatSync(home).mode & 0o700) !== 0o700) {
    fs.chmodSync(home, 0o700);
  }
  const found = fs.lstatSync(folder, { throwIfNoEntry: false });
  if (found?.isDirectory()) {
    return;
  }
  if (found !== undefined) {
    setAside(folder);
  }
  fs.mkdirSync(folder, { mode: 0o700 });
}

/** Fails unless every component down to the folder is a real one, and the folder this user's alone. */
function checkFolder(folder) {
  for (let component = folder; component !== "/"; component = path.dirname(component)) {
    if (!fs.lstatSync(component).isDirectory()) {
      throw new Error(`${component} is not a folder (a symbolic link is not followed); move it away`);
    }
  }
  const { uid, mode } = fs.lstatSync(folder);
  if (uid !== process.getuid()) {
    throw new Error(`${folder} belongs to user id ${uid}, not to this user; run: chown openclaw:openclaw ${folder}`);
  }
  if ((mode & 0o777) !== 0o700) {
    fs.chmodSync(folder, 0o700);
  }
}

/** No configuration is that large; more would only fill the memory. */
const maxBytes = 4 * 1024 * 1024;

/** Whether this is a regular file, not a link, this user's and of a sane size. */
function isOwn(found) {
  return found.isFile() && found.uid === process.getuid() && found.size <= maxBytes;
}

/** The text of the user's own file; undefined if there is none, or something else in its place. */
function readOwn(file) {
  const found = fs.lstatSync(file, { throwIfNoEntry: false });
  if (found === undefined || !isOwn(found)) {
    return undefined;
  }
  if ((found.mode & 0o400) === 0) {
    fs.chmodSync(file, 0o600);
  }
  const fd = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK);
  try {
    // It may be another one by now, and grow while it is read.
    const text = Buffer.alloc(maxBytes + 1);
    const length = isOwn(fs.fstatSync(fd)) ? fs.readSync(fd, text, 0, text.length, 0) : text.length;
    if (length > maxBytes) {
      throw new Error(`${file} changed while it was read`);
    }
    return text.toString("utf8", 0, length);
  } finally {
    fs.closeSync(fd);
  }
}

/** Sets aside what a rename to this path would not replace, or should not lose. */
function clear(file) {
  const found = fs.lstatSync(file, { throwIfNoEntry: false });
  if (found !== undefined && !isOwn(found)) {
    setAside(file);
  }
}

/** Removes the user's own file; sets aside what else there is. */
function remove(file) {
  clear(file);
  fs.rmSync(file, { force: true });
}

/** Writes a new file (mode 600) to the disk, whatever lay at its path before. */
function writeNew(file, text) {
  remove(file);
  const fd = fs.openSync(file, "wx", 0o600);
  try {
    fs.writeFileSync(fd, text);
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

function rename(from, to) {
  clear(to);
  fs.renameSync(from, to);
  const fd = fs.openSync(path.dirname(to), "r");
  fs.fsyncSync(fd);
  fs.closeSync(fd);
}

const hashOf = (text) => (text === undefined ? "none" : crypto.createHash("sha256").update(text).digest("hex"));

/** Levels of objects and lists that no configuration has. More of them end functions that call themselves. */
const maxDepth = 200;

/** Whether objects and lists lie in each other deeper than that. */
function isTooDeep(value) {
  let level = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > maxDepth) {
      return true;
    }
    level = level.flatMap((each) => (typeof each === "object" && each !== null ? Object.values(each) : []));
  }
  return false;
}

/**
 * The object that a JSON5 text holds, as OpenClaw reads it.
 *
 * @throws ContentError if it holds none
 */
function parse(file, text) {
  // The JSON5 reader is OpenClaw's own, from the version folder that runs this script.
  const require = createRequire(path.join(path.dirname(process.execPath), "../../node_modules/openclaw/package.json"));
  const json5 = require("json5");
  let value;
  try {
    value = json5.parse(text);
  } catch (error) {
    throw new ContentError(`${file} is not JSON5 (${error.message})`);
  }
  if (!isObject(value)) {
    throw new ContentError(`${file} does not hold an object`);
  }
  if (isTooDeep(value)) {
    throw new ContentError(`${file} has more than ${maxDepth} levels`);
  }
  return value;
}

/** The request on stdin. An error must not quote it, as it may hold the token. */
function readRequest() {
  try {
    const { before, now, begin = {} } = JSON.parse(fs.readFileSync(0, "utf8"));
    if (isObject(before) && isObject(now) && isObject(begin)) {
      return { before, now, begin };
    }
  } catch {
    // told below
  }
  throw new Error('stdin must be JSON: {"before": {…}, "now": {…}, "begin": {…}}');
}

function main([command, argument, hash]) {
  const folder = path.join(process.env.HOME, ".openclaw");
  const file = path.join(folder, "openclaw.json");
  const candidate = path.join(folder, ".openclaw.json.monoclaw-new");
  if (process.getuid() === 0) {
    throw new Error("must not run as root");
  }
  if (argument !== undefined) {
    if (!/^[0-9a-z]{1,32}$/.test(argument)) {
      throw new Error("an ID is letters and digits");
    }
    id = argument;
    if (command === "back") {
      [file, folder].forEach(putBack);
      return;
    }
    makeFolder(folder);
  }
  checkFolder(folder);
  const text = readOwn(file);
  switch (command) {
    case "stage": {
      const { before, now, begin } = readRequest();
      const current = text === undefined ? undefined : parse(file, text);
      const next = merge(current ?? begin, before, now);
      if (current !== undefined && same(current, next)) {
        remove(candidate);
        if ((fs.lstatSync(file).mode & 0o777) !== 0o600) {
          fs.chmodSync(file, 0o600);
        }
        return;
      }
      writeNew(candidate, JSON.stringify(next, null, 2) + "\n");
      process.stdout.write(`${candidate} ${hashOf(text)}\n`);
      return;
    }
    case "swap":
      if (hashOf(text) !== hash) {
        throw new Error(`${file} changed while its next version was prepared`);
      }
      rename(candidate, file);
      return;
    case "aside":
      if (fs.lstatSync(file, { throwIfNoEntry: false }) !== undefined) {
        setAside(file);
      }
      return;
    case "read":
      process.stdout.write(text ?? "");
      return;
    case "json":
      process.stdout.write(JSON.stringify(parse(file, text ?? "")));
      return;
    case "restore": {
      const old = fs.readFileSync(0, "utf8");
      fs.rmSync(candidate, { recursive: true, force: true });
      if (old === "") {
        fs.rmSync(file, { recursive: true, force: true });
      } else {
        writeNew(candidate, old);
        rename(candidate, file);
      }
      [file, folder].forEach(putBack);
      return;
    }
    default:
      throw new Error(
        "usage: openclaw-config.mjs stage ID | swap ID HASH | aside ID | back ID | read | json | restore ID",
      );
  }
}

if (process.argv[1] === import.meta.filename) {
  try {
    main(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`openclaw.json: ${error.message}\n`);
    process.exitCode = error instanceof ContentError ? 3 : 1;
  }
}
