import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { byId, byTag, parsePage, textOf } from '../report/html/pages.ts';
import { runCli } from './run-cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'gradient-doctor-html-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('gradient-doctor diagnose --format html', () => {
  it('writes a page of a real network, the same to a file and to standard output', async () => {
    const path = join(folder, 'report.html');
    const args = ['diagnose', 'examples/sigmoid10.yaml', '--data', 'mnist', '--steps', '2', '--format', 'html'];
    const written = await runCli([...args, '--output', path]);
    expect(written).toMatchObject({ code: 0, stdout: '' });
    const page = readFileSync(path, 'utf8');
    expect((await runCli(args)).stdout).toBe(page);
    const root = parsePage(page);
    const sections = byTag(root, 'section').map(({ attributes }) => attributes.id);
    expect(sections).toEqual(
      'verdict depth trace chain-rule speed histograms steps loss heat-maps findings subject'.split(' '),
    );
    expect(textOf(byId(root, 'verdict'))).toContain('The gradient vanishes');
    expect(textOf(byId(root, 'subject'))).toContain(
      'gradient-doctor diagnose examples/sigmoid10.yaml --data mnist --steps 2',
    );
  });
});
