import { describe, expect, it } from 'vitest';
import { runCli } from './run-cli.ts';

describe('gradient-doctor theory', () => {
  it('predicts from the weights alone', async () => {
    const { code, stdout, stderr } = await runCli(['theory', 'examples/sigmoid10.yaml']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/gradient {3}-6\.2/);
  });

  it('answers what if, as JSON', async () => {
    const { code, stdout } = await runCli(['theory', 'examples/relu10.yaml', '--init', 'glorot', '--format', 'json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout).predictedDecades).toBeCloseTo(-1.38, 1);
  });

  it.each<[string, string[], RegExp]>([
    ['a scheme that needs data', ['--init', 'lsuv'], /--init: "lsuv" measures on data.*accepted: keep/],
    ['an unknown scheme', ['--init', 'hee'], /unknown initialization "hee"/],
    ['an unknown output', ['--model-output', 'x'], /no output "x"; its outputs: out/],
  ])('refuses %s in one line', async (_, args, message) => {
    const { code, stdout, stderr } = await runCli(['theory', 'examples/relu10.yaml', ...args]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^gradient-doctor: [^\n]+\n$/);
    expect(stderr).toMatch(message);
  });

  it('shows its options in 80 columns', async () => {
    const { stdout } = await runCli(['help', 'theory']);
    for (const option of ['--init', '--seed', '--model-output', '--format']) expect(stdout).toContain(option);
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });
});
