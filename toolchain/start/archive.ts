/** A module as the archive keeps it. */
export interface Entry {
  /** What the file looked like; none if it could not be seen. */
  readonly stamp: string | undefined;
  /** What node is to compile: the file's text, or what a hook made of it. */
  readonly code: string;
  /** What V8 made of the code. */
  readonly data: Buffer;
}

interface Place {
  name: string;
  stamp?: string | undefined;
  code: number;
  data: number;
}

// V8 copies data that doesn't begin at such a multiple.
const ALIGNMENT = 8;

/** Puts modules into one file: the length of an index, the index as JSON, then for each module its code and its data. */
export function pack(modules: ReadonlyMap<string, Entry>): Buffer {
  const blobs: Buffer[] = [];
  const add = (blob: Buffer): number => {
    blobs.push(blob, Buffer.alloc(aligned(blob.length) - blob.length));
    return blob.length;
  };
  const index: Place[] = [...modules].map(([name, { stamp, code, data }]) => {
    return { name, stamp, code: add(Buffer.from(code)), data: add(data) };
  });
  const text = Buffer.from(JSON.stringify(index));
  const head = Buffer.alloc(aligned(4 + text.length));
  head.writeUInt32LE(text.length);
  text.copy(head, 4);
  return Buffer.concat([head, ...blobs]);
}

/** Reads what {@link pack} wrote. A module's code becomes text only when it is asked for. */
export function unpack(file: Buffer): Map<string, Entry> {
  const length = file.readUInt32LE();
  const index = JSON.parse(file.toString("utf8", 4, 4 + length)) as Place[];
  let position = aligned(4 + length);
  const next = (size: number): Buffer => {
    const start = position;
    position += aligned(size);
    return file.subarray(start, start + size);
  };
  return new Map(
    index.map((place) => {
      const [code, data] = [next(place.code), next(place.data)];
      return [place.name, { stamp: place.stamp, data, get code() { return code.toString(); } }]; // prettier-ignore
    }),
  );
}

function aligned(size: number): number {
  return Math.ceil(size / ALIGNMENT) * ALIGNMENT;
}
