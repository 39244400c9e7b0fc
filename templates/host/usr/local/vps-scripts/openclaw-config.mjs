// Changes managed keys of OpenClaw's configuration, and leaves every other key to the gateway and its users.
// Runs as user openclaw, never as root: the folder is that user's, who could plant links in it.
//
// usage: node openclaw-config.mjs stage      stdin: {"before": {…}, "now": {…}}, the managed keys of the last run and of this
//                                            one; writes the candidate and prints its path and the hash of the file that
//                                            it is made from, or prints nothing if the file is right already
//        node openclaw-config.mjs swap HASH  makes the candidate the file, unless the file changed since
//        node openclaw-config.mjs read       prints the file
//        node openclaw-config.mjs json       prints what it holds, as plain JSON
//        node openclaw-config.mjs restore    stdin: what `read` printed; empty removes the file
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

/** Fails unless every component down to the folder is a real one, and the folder this user's alone. Makes the folder. */
function checkFolder(folder) {
  if (!fs.existsSync(folder) && !fs.lstatSync(folder, { throwIfNoEntry: false })) {
    fs.mkdirSync(folder, { mode: 0o700 });
  }
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

/** The text of a file that is regular, not a link and this user's; undefined if there is none. */
function readOwn(file) {
  const found = fs.lstatSync(file, { throwIfNoEntry: false });
  if (found === undefined) {
    return undefined;
  }
  if (!found.isFile() || found.nlink !== 1 || found.uid !== process.getuid()) {
    throw new Error(`${file} is not a regular file of this user with one name; nothing was written. Move it away`);
  }
  if (found.size > maxBytes) {
    throw new Error(`${file} is larger than ${maxBytes} bytes; nothing was written. Move it away`);
  }
  const fd = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK);
  try {
    return fs.readFileSync(fd, "utf8");
  } finally {
    fs.closeSync(fd);
  }
}

/** Writes a new file (mode 600) to the disk, whatever lay at its path before. */
function writeNew(file, text) {
  fs.rmSync(file, { force: true });
  const fd = fs.openSync(file, "wx", 0o600);
  try {
    fs.writeFileSync(fd, text);
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

function rename(from, to) {
  fs.renameSync(from, to);
  const fd = fs.openSync(path.dirname(to), "r");
  fs.fsyncSync(fd);
  fs.closeSync(fd);
}

const hashOf = (text) => (text === undefined ? "none" : crypto.createHash("sha256").update(text).digest("hex"));

/** OpenClaw reads JSON5; what can't be read is never overwritten. */
function parse(file, text) {
  // The JSON5 reader is OpenClaw's own, from the version folder that runs this script.
  const require = createRequire(path.join(path.dirname(process.execPath), "../../node_modules/openclaw/package.json"));
  try {
    const value = require("json5").parse(text);
    if (isObject(value)) {
      return value;
    }
  } catch (error) {
    throw new Error(`${file} is not JSON5 (${error.message}); nothing was written. Mend it and run pulumi up again`);
  }
  throw new Error(`${file} does not hold an object; nothing was written. Mend it and run pulumi up again`);
}

/** The request on stdin. An error must not quote it, as it may hold the token. */
function readRequest() {
  try {
    const { before, now } = JSON.parse(fs.readFileSync(0, "utf8"));
    if (isObject(before) && isObject(now)) {
      return { before, now };
    }
  } catch {
    // told below
  }
  throw new Error('stdin must be JSON: {"before": {…}, "now": {…}}');
}

function main([command, hash]) {
  const folder = path.join(process.env.HOME, ".openclaw");
  const file = path.join(folder, "openclaw.json");
  const candidate = path.join(folder, ".openclaw.json.monoclaw-new");
  if (process.getuid() === 0) {
    throw new Error("must not run as root");
  }
  checkFolder(folder);
  const text = readOwn(file);
  switch (command) {
    case "stage": {
      const { before, now } = readRequest();
      const current = text === undefined ? {} : parse(file, text);
      const next = merge(current, before, now);
      if (text !== undefined && same(current, next)) {
        fs.rmSync(candidate, { force: true });
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
        throw new Error(`${file} changed while this run was preparing its next version; run pulumi up again`);
      }
      rename(candidate, file);
      return;
    case "read":
      process.stdout.write(text ?? "");
      return;
    case "json":
      process.stdout.write(JSON.stringify(parse(file, text ?? "")));
      return;
    case "restore": {
      const old = fs.readFileSync(0, "utf8");
      fs.rmSync(candidate, { force: true });
      if (old === "") {
        fs.rmSync(file, { force: true });
      } else {
        writeNew(candidate, old);
        rename(candidate, file);
      }
      return;
    }
    default:
      throw new Error("usage: openclaw-config.mjs stage | swap HASH | read | json | restore");
  }
}

if (process.argv[1] === import.meta.filename) {
  try {
    main(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`openclaw.json: ${error.message}\n`);
    process.exitCode = 1;
  }
}
