import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UserError } from '../../src/graph/errors.ts';
import { openSource, writeFileSafely } from '../../src/runtime/node/files.ts';

let root: string;
let models: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'files-'));
  models = join(root, 'models');
  mkdirSync(join(models, 'deep'), { recursive: true });
  writeFileSync(join(models, 'a.onnx'), 'model');
  writeFileSync(join(models, 'a.bin'), 'weights');
  writeFileSync(join(models, 'deep', 'b.bin'), 'deeper');
  writeFileSync(join(root, 'secret'), 'secret');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

async function complaint(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => new Error('nothing was thrown'),
    (thrown) => thrown,
  );
  expect(error).toBeInstanceOf(UserError);
  const line = (error as UserError).describe();
  expect(line).not.toContain('\n');
  return line.replaceAll(root, '');
}

const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);

describe('openSource', () => {
  it('reads a file, and the files beside and below it', async () => {
    const source = await openSource(join(models, 'a.onnx'));
    expect(source.name).toBe('a.onnx');
    expect(text(source.bytes)).toBe('model');
    expect(text(await source.sibling('a.bin'))).toBe('weights');
    expect(text(await source.sibling('./deep/b.bin'))).toBe('deeper');
  });

  it('says in one line what cannot be opened', async () => {
    expect(await complaint(openSource(join(root, 'none.onnx')))).toBe('/none.onnx: there is no such file');
    expect(await complaint(openSource(models))).toBe('/models: is a directory, expected a file');
    expect(await complaint(openSource(join(models, 'a.onnx', 'x')))).toMatch(/a part of its path is not a directory/);
    expect(await complaint(openSource('a\0b'))).toMatch(/null character/);
    symlinkSync('loop', join(root, 'loop'));
    expect(await complaint(openSource(join(root, 'loop')))).toMatch(/circle/);
  });

  it.skipIf(process.platform === 'win32')('neither reads devices nor waits for pipes', async () => {
    expect(await complaint(openSource('/dev/zero'))).toBe('/dev/zero: is not a regular file, expected a file');
    execFileSync('mkfifo', [join(root, 'pipe')]);
    expect(await complaint(openSource(join(root, 'pipe')))).toMatch(/is not a regular file/);
  });

  it.skipIf(process.platform === 'win32' || process.getuid?.() === 0)('says that permission is denied', async () => {
    chmodSync(join(root, 'secret'), 0);
    expect(await complaint(openSource(join(root, 'secret')))).toBe('/secret: cannot be read: permission denied');
  });

  it.each(['../secret', 'deep/../../secret', '..\\secret', 'C:\\secret', '\\\\host\\secret', '/etc/passwd', '..', ''])(
    'refuses the sibling "%s"',
    async (name) => {
      const source = await openSource(join(models, 'a.onnx'));
      expect(await complaint(source.sibling(name))).toMatch(
        /lies outside the model's directory; a model may only refer/,
      );
    },
  );

  it('refuses links that lead out, of files and of folders, and follows those that stay', async () => {
    symlinkSync('../secret', join(models, 'out'));
    symlinkSync('..', join(models, 'up'));
    symlinkSync('a.bin', join(models, 'in'));
    const source = await openSource(join(models, 'a.onnx'));
    expect(await complaint(source.sibling('out'))).toMatch(/lies outside/);
    expect(await complaint(source.sibling('up/secret'))).toMatch(/lies outside/);
    expect(text(await source.sibling('in'))).toBe('weights');
  });

  it('is not fooled by a directory whose name merely begins alike', async () => {
    mkdirSync(join(root, 'models-private'));
    writeFileSync(join(root, 'models-private', 'x'), 'x');
    symlinkSync('../models-private/x', join(models, 'x'));
    const source = await openSource(join(models, 'a.onnx'));
    expect(await complaint(source.sibling('x'))).toMatch(/lies outside/);
  });

  it('finds the weights of a model in a download cache, where both are links into one folder', async () => {
    mkdirSync(join(root, 'snapshot'));
    symlinkSync('../models/a.onnx', join(root, 'snapshot', 'model.onnx'));
    symlinkSync('../models/a.bin', join(root, 'snapshot', 'model.onnx_data'));
    symlinkSync('../secret', join(root, 'snapshot', 'secret'));
    const source = await openSource(join(root, 'snapshot', 'model.onnx'));
    expect(text(await source.sibling('model.onnx_data'))).toBe('weights');
    expect(await complaint(source.sibling('secret'))).toMatch(/lies outside/);
  });

  it('has no sibling where there is no file, and says why one cannot be read', async () => {
    const source = await openSource(join(models, 'a.onnx'));
    expect(await source.sibling('none.bin')).toBeUndefined();
    expect(await source.sibling('a.bin/none')).toBeUndefined();
    expect(await complaint(source.sibling('deep'))).toBe('/models/deep: is a directory, expected a file');
    expect(await complaint(source.sibling('a\0b'))).toMatch(/null character/);
  });
});

describe('writeFileSafely', () => {
  it('writes bytes and text, and leaves nothing else behind', async () => {
    await writeFileSafely(join(root, 'new'), new Uint8Array([1, 2, 3]));
    expect([...readFileSync(join(root, 'new'))]).toEqual([1, 2, 3]);
    await writeFileSafely(join(root, 'new'), 'text', { overwrite: true });
    expect(readFileSync(join(root, 'new'), 'utf8')).toBe('text');
    expect(readdirSync(root).sort()).toEqual(['models', 'new', 'secret']);
  });

  it('refuses to replace a file unless told to', async () => {
    expect(await complaint(writeFileSafely(join(root, 'secret'), 'x'))).toMatch(/^\/secret: already exists/);
    expect(readFileSync(join(root, 'secret'), 'utf8')).toBe('secret');
  });

  it('lets exactly one of several writers create a file', async () => {
    const writers = Array.from({ length: 8 }, (_, i) => writeFileSafely(join(root, 'raced'), `${i}`.repeat(1000)));
    const results = await Promise.allSettled(writers);
    expect(results.filter((result) => result.status === 'fulfilled').length).toBe(1);
    const winner = results.findIndex((result) => result.status === 'fulfilled');
    expect(readFileSync(join(root, 'raced'), 'utf8')).toBe(`${winner}`.repeat(1000));
    expect(readdirSync(root).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('says in one line what cannot be written, and cleans up', async () => {
    expect(await complaint(writeFileSafely(models, 'x', { overwrite: true }))).toMatch(/^\/models: is a directory/);
    expect(await complaint(writeFileSafely(join(root, 'no', 'x'), 'x'))).toMatch(/there is no directory "\/no"/);
    expect(await complaint(writeFileSafely(join(root, 'secret', 'x'), 'x'))).toMatch(/not a directory/);
    expect(await complaint(writeFileSafely(join(root, 'x'.repeat(300)), 'x'))).toMatch(/too long/);
    expect(readdirSync(root).sort()).toEqual(['models', 'secret']);
  });

  it.skipIf(process.platform === 'win32')('never replaces a device', async () => {
    expect(await complaint(writeFileSafely('/dev/null', 'x', { overwrite: true }))).toMatch(/not a regular file/);
    expect(statSync('/dev/null').isCharacterDevice()).toBe(true);
  });

  it.skipIf(process.platform === 'win32')('writes through a link and keeps the mode', async () => {
    chmodSync(join(root, 'secret'), 0o600);
    symlinkSync('../secret', join(models, 'link'));
    await writeFileSafely(join(models, 'link'), 'changed', { overwrite: true });
    expect(readFileSync(join(root, 'secret'), 'utf8')).toBe('changed');
    expect(statSync(join(root, 'secret')).mode & 0o777).toBe(0o600);
    expect(existsSync(join(models, 'link'))).toBe(true);
  });
});
