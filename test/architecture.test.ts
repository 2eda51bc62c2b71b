import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = join(dirname(fileURLToPath(import.meta.url)), '../src');

/** The folders of src in the order in which data flow through them: a folder imports only from those above it. */
const order = [
  'graph',
  'random',
  'readers',
  'autodiff',
  'runtime',
  'data',
  'training',
  'flow',
  'theory',
  'diagnosis',
  'remedies',
  'trials',
  'logs',
  'report',
  'explain',
  'verbs',
  '.',
  'cli',
];
/** Where Node's own modules may be used. */
const nodeFolders = [
  /^runtime\/node\//,
  /^logs\/node\//,
  /^trials\/node\//,
  /^cli\//,
  /^node\.ts$/,
  /^trial-worker\.ts$/,
];
/** Folders that know nothing of the runtime: a profile from a log and one from a probe meet the same code. */
const runtimeFree = ['flow', 'theory', 'diagnosis', 'remedies'];

const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
const importsOf = (file: string) =>
  [...readFileSync(join(root, file), 'utf8').matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((match) => match[1]!);
const folderOf = (file: string) => (file.includes('/') ? file.split('/')[0]! : '.');

describe('the structure of src', () => {
  it('has only folders that stand in the order', () => {
    expect(order).toEqual(expect.arrayContaining([...new Set(files.map(folderOf))]));
  });

  it.each(files)('%s imports only from above', (file) => {
    const own = order.indexOf(folderOf(file));
    for (const specifier of importsOf(file)) {
      if (specifier.startsWith('node:') || specifier === 'onnxruntime-node') {
        expect(
          nodeFolders.some((folder) => folder.test(file)),
          `${file} imports ${specifier}`,
        ).toBe(true);
      }
      if (!specifier.startsWith('.')) continue;
      const target = relative(root, resolve(root, dirname(file), specifier));
      const above = order.indexOf(folderOf(target));
      expect(above, `${file} imports ${target}`).toBeLessThanOrEqual(own);
      if (runtimeFree.includes(folderOf(file)))
        expect(folderOf(target), `${file} imports ${target}`).not.toBe('runtime');
    }
  });

  it('keeps files within 400 lines', () => {
    const long = files.filter((file) => readFileSync(join(root, file), 'utf8').split('\n').length > 400);
    expect(long).toEqual([]);
  });
});
