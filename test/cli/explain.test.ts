import { describe, expect, it } from 'vitest';
import { widthOf } from '../../src/report/text.ts';
import { runCli } from './run-cli.ts';

describe('gradient-doctor explain', () => {
  it('compares activations side by side with computed numbers', async () => {
    const { code, stdout, stderr } = await runCli(['explain', 'sigmoid', 'tanh', 'relu']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/maximum φ′ +0\.25 +1 +1\n/);
    expect(stdout).toMatch(/saturates +\|z\| ≥ 5 +\|z\| ≥ 2\.5 +z ≤ 0\n/);
    expect(stdout).toMatch(/risk +high +medium +low\n/);
    for (const line of stdout.split('\n')) expect(widthOf(line)).toBeLessThanOrEqual(80);
  });

  it('walks the chain rule through twenty sigmoids', async () => {
    const args = ['explain', 'chain-rule', '--activation', 'sigmoid', '--layers', '20', '--format', 'json'];
    const { code, stdout } = await runCli(args);
    expect(code).toBe(0);
    const { numbers } = JSON.parse(stdout).topics[0].example;
    expect(numbers.product / numbers.measured).toBeCloseTo(1, 6);
    expect(numbers.bound).toBeCloseTo(0.25 ** 20, 20);
  });

  it('lists all topics by family, in text, Markdown and JSON', async () => {
    const [text, markdown, json] = await Promise.all([
      runCli(['explain']),
      runCli(['explain', '--format', 'markdown']),
      runCli(['explain', '--format', 'json']),
    ]);
    expect(text.stdout).toMatch(/Rules\n[\s\S]*vanishing-gradient[\s\S]*Activations\n[\s\S]*sigmoid/);
    expect(markdown.stdout).toContain('| `he-normal` |');
    expect(JSON.parse(json.stdout).available).toContainEqual(
      expect.objectContaining({ id: 'adam', family: 'optimizer' }),
    );
  });

  it('speaks ASCII where that is all there is', async () => {
    const { stdout } = await runCli(['explain', 'he'], { LC_ALL: 'C' });
    expect(stdout).toMatch(/^[\x20-\x7e\n]*$/);
    expect(stdout).toContain('Var(w) = gain^2 * 2 / fan_in');
  });

  it('says what is near an unknown topic, and refuses what makes no sense', async () => {
    const unknown = await runCli(['explain', 'sigmiod']);
    expect(unknown).toMatchObject({ code: 2, stdout: '' });
    expect(unknown.stderr).toBe('gradient-doctor: explain: no topic "sigmiod"; did you mean "sigmoid"?\n');
    expect((await runCli(['explain', 'qqqqqqqq'])).stderr).toContain('`gradient-doctor explain` lists all topics');
    const option = await runCli(['explain', 'relu', '--layers', '3']);
    expect(option.code).toBe(2);
    expect(option.stderr).toContain('--layers belongs to chain-rule');
    expect((await runCli(['explain', 'chain-rule', '--layers', '0'])).code).toBe(2);
    expect((await runCli(['explain', '--layers', '3'])).code).toBe(2);
  });
});
