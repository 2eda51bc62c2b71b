import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { root } from '../cli/run-cli.ts';

// onnxruntime's telemetry leaves an identifier and a queue of events in the home directory before it sends them.
it('leaves nothing for telemetry to send: a run writes nothing into the home directory', () => {
  const home = mkdtempSync(join(tmpdir(), 'gradient-doctor-home-'));
  try {
    // Nothing else: variables of continuous integration switch telemetry off by themselves.
    const env = { HOME: home, PATH: process.env.PATH };
    const args = [`${root}dist/cli/main.js`, 'diagnose', `${root}examples/chain.yaml`, '--batch', '4'];
    execFileSync(process.execPath, args, { env, cwd: root, stdio: 'pipe' });
    expect(readdirSync(home)).toEqual([]);
  } finally {
    rmSync(home, { recursive: true });
  }
});
