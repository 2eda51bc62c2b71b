import { open, readdir, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { DataError } from '../../graph/errors.ts';
import type { FileAccess, ImageDecoder, RandomAccess } from '../file-access.ts';
import { describeFileError, readBytes } from './files.ts';

/** Data on this machine's disks. */
export const diskFiles: FileAccess = {
  read: readBytes,
  open: openRandomAccess,
  async kindOf(path) {
    try {
      const facts = await stat(path);
      return facts.isDirectory() ? 'folder' : 'file';
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
      throw describeFileError(error, path, 'read');
    }
  },
  async list(path) {
    try {
      const entries = (await readdir(path, { withFileTypes: true })).filter(({ name }) => !name.startsWith('.'));
      // A link may point to either.
      const kinds = await Promise.all(
        entries.map(async (entry) => {
          if (!entry.isSymbolicLink()) return entry.isDirectory() ? 'folder' : entry.isFile() ? 'file' : undefined;
          return diskFiles.kindOf(join(path, entry.name));
        }),
      );
      const names = (kind: string) => entries.flatMap(({ name }, i) => (kinds[i] === kind ? [name] : [])).sort();
      return { files: names('file'), folders: names('folder') };
    } catch (error) {
      throw describeFileError(error, path, 'read');
    }
  },
  images: loadSharp,
};

/** Opens a regular file for positional reads. Throws DataError. */
export async function openRandomAccess(path: string): Promise<RandomAccess> {
  try {
    const facts = await stat(path);
    if (!facts.isFile()) {
      const what = facts.isDirectory() ? 'is a directory' : 'is not a regular file';
      throw new DataError(`${what}, expected a file`, { code: 'not-a-file', where: path });
    }
    const file = await open(path, 'r');
    return {
      name: path,
      size: facts.size,
      close: () => file.close(),
      async read(offset, length) {
        const bytes = new Uint8Array(length);
        try {
          for (let at = 0; at < length; ) {
            const { bytesRead } = await file.read(bytes, at, length - at, offset + at);
            if (bytesRead === 0) {
              throw new DataError(`ends at byte ${offset + at}, ${offset + length} are needed`, {
                code: 'truncated',
                where: path,
              });
            }
            at += bytesRead;
          }
        } catch (error) {
          throw describeFileError(error, path, 'read');
        }
        return bytes;
      },
    };
  } catch (error) {
    throw describeFileError(error, path, 'read');
  }
}

/** The part of sharp's interface that is used (https://sharp.pixelplumbing.com). */
interface SharpImage {
  metadata(): Promise<{ width: number; height: number }>;
  resize(width: number, height: number, options: { fit: 'fill' }): SharpImage;
  toColourspace(space: 'srgb' | 'b-w'): SharpImage;
  removeAlpha(): SharpImage;
  ensureAlpha(): SharpImage;
  raw(): SharpImage;
  toBuffer(): Promise<Uint8Array>;
}

/** Image decoding by the npm package `sharp`, looked up from the working directory, then from this package. */
async function loadSharp(): Promise<ImageDecoder> {
  const sharp = findSharp();
  const failing = async <T>(path: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (cause) {
      const reason = (cause as Error).message.split('\n')[0];
      throw new DataError(`cannot be decoded: ${reason}`, { code: 'image', where: path, cause });
    }
  };
  return {
    sizeOf: (path) => failing(path, async () => sharp(path).metadata()),
    decode: (path, width, height, channels) =>
      failing(path, async () => {
        const sized = sharp(path).resize(width, height, { fit: 'fill' });
        const coloured = sized.toColourspace(channels === 1 ? 'b-w' : 'srgb');
        const bytes = await (channels === 4 ? coloured.ensureAlpha() : coloured.removeAlpha()).raw().toBuffer();
        if (bytes.length !== width * height * channels) throw new Error(`${bytes.length} bytes of pixels`);
        return bytes;
      }),
  };
}

function findSharp(bases: readonly string[] = [join(process.cwd(), 'package.json'), import.meta.url]) {
  let cause: unknown;
  for (const base of bases) {
    try {
      return createRequire(base)('sharp') as (path: string) => SharpImage;
    } catch (error) {
      cause = error;
    }
  }
  const missing = (cause as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND';
  const what = missing
    ? 'which is not installed'
    : `which cannot be loaded: ${(cause as Error).message.split('\n')[0]}`;
  throw new DataError(`a folder of images is decoded by the npm package "sharp", ${what}`, {
    code: 'sharp-missing',
    hint: 'npm install sharp',
    cause,
  });
}
