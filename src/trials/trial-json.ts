import { z } from 'zod';
import { DataError } from '../graph/errors.ts';
import type { TrialResult, TrialTask } from './trial.ts';

/** JSON has no NaN and no infinities: they travel as these strings. */
const special = ['NaN', 'Infinity', '-Infinity'] as const;
const number = z.union([z.number(), z.enum(special).transform(Number)]);
const count = z.int().min(0);
const name = z.string().max(10_000);
const hash = z.string().regex(/^[0-9a-f]{64}$/, 'is no SHA-256');

const resultSchema = z.object({
  id: name,
  plan: name,
  seed: count,
  steps: count,
  status: z.enum(['done', 'fault', 'failed']),
  training: z.array(z.object({ step: count, loss: number })).max(10_000),
  heldOut: z.object({ loss: number, accuracy: number.optional(), rows: count }).optional(),
  heldOutLosses: z.array(number).max(1_000_000).optional(),
  decades: z.object({ before: number, after: number.optional() }).optional(),
  fault: z.object({ kind: name, step: count, message: name }).optional(),
  error: z.string().optional(),
  seconds: number,
  secondsPerStep: number.optional(),
});

const taskSchema = z.object({
  id: name,
  plan: name,
  seed: count,
  steps: z.int().min(1).max(1e9),
  model: hash,
  // The optimizer's, the schedule's and the loss's own checks see these again before they are used.
  training: z.object({
    optimizer: z.looseObject({ name }),
    learningRate: z.number(),
    schedule: z.looseObject({}).optional(),
    clipping: z.looseObject({}).optional(),
    loss: name,
    output: name,
    batch: z.int().min(1),
  }),
  data: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('named'), name, samples: z.int().min(1).optional(), seed: count.optional() }),
    z.object({ kind: z.literal('packed'), hash, samples: z.int().min(1).optional(), seed: count.optional() }),
  ]),
  validation: z.number().min(0).lt(1),
  scoring: name,
  gradient: z.enum(['start', 'both']),
  version: name,
});

/** A result as one line of JSON. */
export function encodeResult(result: TrialResult): string {
  return JSON.stringify(result, (_, value) =>
    typeof value === 'number' && !Number.isFinite(value) ? String(value) : value,
  );
}

/** Reads what `encodeResult` wrote. Throws DataError for anything else. */
export function decodeResult(text: string): TrialResult {
  return decode(text, resultSchema, 'result') as TrialResult;
}

/** A task as JSON. */
export function encodeTask(task: TrialTask): string {
  return JSON.stringify(task);
}

/** Reads a task that came from elsewhere. Throws DataError for what is none. */
export function decodeTask(text: string): TrialTask {
  return decode(text, taskSchema, 'task') as unknown as TrialTask;
}

function decode<T>(text: string, schema: z.ZodType<T>, what: string): T {
  const fail = (message: string, cause?: unknown) =>
    new DataError(`is no trial's ${what}: ${message}`, { code: `trial-${what}`, cause });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw fail('not JSON', cause);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw fail(`${issue!.path.join('.') || 'it'}: ${issue!.message}`, parsed.error);
}
