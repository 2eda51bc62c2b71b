import { inflateSync } from 'fflate';
import { DataError } from '../graph/errors.ts';
import type { Tensor } from '../graph/tensor.ts';
import { decodeNpy } from './npy.ts';

/** Default bound on what an archive may unpack to, in bytes: 4 GiB. */
export const ARCHIVE_LIMIT = 4 * 1024 ** 3;
const MOST_ENTRIES = 65_535;

interface Entry {
  name: string;
  flags: number;
  method: number;
  checksum: number;
  packed: number;
  unpacked: number;
  offset: number;
}

/**
 * The arrays of a .npz file by key, in the archive's order. Declared sizes are summed before anything is inflated,
 * an inflation cannot outgrow what its entry declares, and every checksum is verified. Throws DataError.
 */
export function decodeNpz(bytes: Uint8Array, name: string, limit = ARCHIVE_LIMIT): Map<string, Tensor> {
  const entries = listEntries(bytes, name);
  const total = entries.reduce((sum, entry) => sum + entry.unpacked, 0);
  if (total > limit) {
    throw broken(name, `unpacks to ${total} bytes, over the limit of ${limit}`, 'save fewer rows');
  }
  const arrays = new Map<string, Tensor>();
  for (const entry of entries) {
    if (!entry.name.endsWith('.npy')) {
      throw broken(name, `holds "${entry.name}", which is not an array`, 'a .npz holds .npy files only');
    }
    const key = entry.name.slice(0, -'.npy'.length);
    if (arrays.has(key)) throw broken(name, `holds "${entry.name}" twice`);
    arrays.set(key, decodeNpy(unpack(bytes, entry, name), `${name}[${key}]`));
  }
  if (arrays.size === 0) throw broken(name, 'holds no arrays');
  return arrays;
}

/** Whether bytes begin like a zip archive (with entries or empty). */
export function isZip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x50 && bytes[1] === 0x4b && (bytes[2] === 3 || bytes[2] === 5);
}

/** The central directory (PKWARE APPNOTE 4.3.12): fflate's filter shows neither encryption nor checksums. */
function listEntries(bytes: Uint8Array, name: string): Entry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let end = bytes.length - 22;
  const lowest = Math.max(0, end - 0xffff);
  while (end >= lowest && view.getUint32(end, true) !== 0x06054b50) end--;
  if (end < lowest) throw broken(name, 'not a zip archive, or truncated: its directory is missing');
  const count = view.getUint16(end + 10, true);
  let at = view.getUint32(end + 16, true);
  if (count === MOST_ENTRIES || at === 0xffffffff) throw zip64(name);
  const entries: Entry[] = [];
  for (let i = 0; i < count; i++) {
    if (at + 46 > end || view.getUint32(at, true) !== 0x02014b50) throw broken(name, 'its zip directory is damaged');
    const nameLength = view.getUint16(at + 28, true);
    const next = at + 46 + nameLength + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
    if (next > end) throw broken(name, 'its zip directory is damaged');
    const entry: Entry = {
      flags: view.getUint16(at + 8, true),
      method: view.getUint16(at + 10, true),
      checksum: view.getUint32(at + 16, true),
      packed: view.getUint32(at + 20, true),
      unpacked: view.getUint32(at + 24, true),
      offset: view.getUint32(at + 42, true),
      name: new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + nameLength)),
    };
    if (entry.packed === 0xffffffff || entry.unpacked === 0xffffffff || entry.offset === 0xffffffff) throw zip64(name);
    entries.push(entry);
    at = next;
  }
  return entries;
}

function unpack(bytes: Uint8Array, entry: Entry, name: string): Uint8Array {
  const bad = (what: string, hint?: string) => broken(`${name}[${entry.name}]`, what, hint);
  if (entry.flags & 1) throw bad('is encrypted', 'save it without a password');
  if (entry.method !== 0 && entry.method !== 8) {
    throw bad(`is packed by zip method ${entry.method}`, 'stored (0) and deflate (8) are read');
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (entry.offset + 30 > bytes.length || view.getUint32(entry.offset, true) !== 0x04034b50) {
    throw bad('is not where the zip directory says');
  }
  const start = entry.offset + 30 + view.getUint16(entry.offset + 26, true) + view.getUint16(entry.offset + 28, true);
  if (start + entry.packed > bytes.length) throw bad('is truncated');
  const packed = bytes.subarray(start, start + entry.packed);
  let content = packed;
  if (entry.method === 8) {
    // A deflate stream expands at most 1032 times (zlib's technical notes): refuse before allocating.
    if (entry.unpacked > 1032 * entry.packed + 64) {
      throw bad(`declares ${entry.unpacked} bytes, more than ${entry.packed} packed bytes can hold`);
    }
    try {
      content = inflateSync(packed, { out: new Uint8Array(entry.unpacked) });
    } catch (error) {
      throw bad(`cannot be inflated: ${(error as Error).message}`);
    }
  }
  if (content.length !== entry.unpacked) {
    throw bad(`has ${content.length} bytes, its zip directory declares ${entry.unpacked}`);
  }
  if (crc32(content) !== entry.checksum) throw bad('is damaged: its checksum does not match');
  return content;
}

let crcTable: Uint32Array | undefined;

/** CRC-32 of ISO 3309, as zip uses it. */
function crc32(bytes: Uint8Array): number {
  crcTable ??= Uint32Array.from({ length: 256 }, (_, n) => {
    let c = n;
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
    return c;
  });
  let crc = -1;
  for (let i = 0; i < bytes.length; i++) crc = (crc >>> 8) ^ crcTable[(crc ^ bytes[i]!) & 0xff]!;
  return ~crc >>> 0;
}

function zip64(name: string): DataError {
  return broken(
    name,
    'is a zip64 archive (4 GiB or more, or over 65 534 arrays)',
    'save fewer rows, or one .npy per input',
  );
}

function broken(where: string, message: string, hint?: string): DataError {
  return new DataError(message, { code: 'npz', where, hint });
}
