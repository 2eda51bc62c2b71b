import type { TrialTask } from './trial.ts';

/** SHA-256 of bytes, in hex: how artifacts are called. */
export async function contentHash(bytes: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** A task with its id: the hash of everything else in it, whatever the order of its keys. */
export async function identifyTask(task: Omit<TrialTask, 'id'>): Promise<TrialTask> {
  const text = JSON.stringify(task, (_, value) => (isRecord(value) ? sorted(value) : value));
  return { ...task, id: await contentHash(new TextEncoder().encode(text)) };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function sorted(record: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}
