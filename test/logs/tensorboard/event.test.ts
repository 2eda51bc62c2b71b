import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DataError } from '../../../src/graph/errors.ts';
import { decodeEvent, encodeEvent, type SummaryForm } from '../../../src/logs/tensorboard/event.ts';
import { type Histogram, histogramOf } from '../../../src/logs/tensorboard/histogram.ts';
import { EventParser, type LoggedEvent, readEvents } from '../../../src/logs/tensorboard/reader.ts';
import { frameRecord } from '../../../src/logs/tensorboard/record.ts';
import { EventLog, eventFileName, layerTag } from '../../../src/logs/tensorboard/writer.ts';

const fixture = (name: string) => fileURLToPath(new URL(`../../fixtures/tensorboard/${name}`, import.meta.url));
const number = (x: number | string) => Number(x);

interface TrueValue {
  tag: string;
  plugin: string;
  scalar?: number | string;
  histo?: Record<'min' | 'max' | 'num' | 'sum' | 'sum_squares', number> & { bucket_limit: number[]; bucket: number[] };
  dims?: number[];
  values?: (number | string)[];
  strings?: string[];
  dataClass?: number;
}
interface TrueEvent {
  wallTime: number;
  step: number;
  fileVersion: string;
  restart: boolean;
  values: TrueValue[];
}

async function eventsOf(bytes: Uint8Array): Promise<LoggedEvent[]> {
  return collect(readEvents([bytes], 'f'));
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

describe('events that PyTorch and TensorBoard wrote', () => {
  const truth: Record<string, TrueEvent[]> = JSON.parse(readFileSync(fixture('truth.json'), 'utf8'));

  it.each(['torch', 'tensorboard'])('%s: everything is found as TensorBoard finds it', async (name) => {
    const events = await eventsOf(readFileSync(fixture(`${name}.tfevents`)));
    expect(events.length).toBe(truth[name]!.length);
    events.forEach((event, i) => {
      const expected = truth[name]![i]!;
      expect([event.wallTime, event.step]).toEqual([expected.wallTime, expected.step]);
      expect(event.fileVersion ?? '').toBe(expected.fileVersion);
      expect(event.restart ?? false).toBe(expected.restart);
      expect(event.values.map(({ tag }) => tag)).toEqual(expected.values.map(({ tag }) => tag));
      event.values.forEach((value, j) => {
        const other = expected.values[j]!;
        if (value.kind === 'scalar') expect(value.value).toBe(number(other.scalar ?? other.values![0]!));
        else if (value.kind === 'histogram') checkHistogram(value.histogram, other);
        else if (value.kind === 'tensor') {
          expect(value.plugin).toBe(other.plugin);
          expect(value.tensor.dims).toEqual(other.dims);
          if (other.strings) {
            expect(value.tensor.strings.map((s) => new TextDecoder().decode(s))).toEqual(other.strings);
          } else expect(value.tensor.values).toEqual(other.values!.map(number));
        } else expect.unreachable(`${value.tag} was not read`);
      });
    });
  });

  function checkHistogram(histogram: Histogram, truth: TrueValue): void {
    if (truth.histo) {
      const { min, max, num, sum, sum_squares, bucket } = truth.histo;
      expect(histogram).toMatchObject({ min, max, count: num, sum, sumSquares: sum_squares });
      expect(histogram.buckets.map(({ count }) => count)).toEqual(bucket.filter((count) => count > 0));
      expect([histogram.buckets[0]!.left, histogram.buckets.at(-1)!.right]).toEqual([min, max]);
    } else {
      const rows = truth.values!.map(number);
      const full = rows.filter((_, i) => rows[i - (i % 3) + 2]! > 0);
      expect(histogram.buckets.flatMap(({ left, right, count }) => [left, right, count])).toEqual(full);
    }
  }
});

/** A file with everything that is written. */
function sample(form: SummaryForm): Uint8Array {
  const log = new EventLog({ form, now: () => 1_700_000_000.5, restartAt: 3 });
  const normal = Float32Array.from({ length: 400 }, (_, i) => Math.sin(i * i) ** 3);
  log.step(3, {
    scalars: [
      ['loss', 0.1],
      ['größe/ε', -2],
    ],
    histograms: [['w', histogramOf(normal)]],
  });
  log.step(4, {
    scalars: [
      ['loss', Number.NaN],
      ['up', Infinity],
      ['down', -Infinity],
      ['tiny', -1e-60],
      ['huge', 1e60],
      ['zero', 0],
    ],
    histograms: [
      ['w', histogramOf(Float32Array.of(Number.NaN, 1, 2, Infinity))],
      ['nan', histogramOf(Float32Array.of(Number.NaN))],
      ['constant', histogramOf(new Float32Array(7))],
    ],
  });
  log.step(2 ** 40, { scalars: [['late', 1]] });
  return log.take();
}

const arrays = fc.oneof(
  fc.float64Array({ maxLength: 40 }),
  fc.array(fc.constantFrom(0, 1, -1, 2, 2.5, -0.5)).map((values) => Float64Array.from(values)),
);

describe('events written here', () => {
  it.each(['simple', 'tensor'] as const)('are read back, in the %s form', async (form) => {
    const events = await eventsOf(sample(form));
    expect(events.map(({ step }) => step)).toEqual([3, 3, 3, 3, 4, 2 ** 40]);
    expect(events[0]!.fileVersion).toBe('brain.Event:2');
    expect(events.map(({ restart }) => restart === true)).toEqual([false, true, true, false, false, false]);
    const at = (i: number) => new Map(events[i]!.values.map((value) => [value.tag, value]));
    expect(at(3).get('loss')).toMatchObject({ value: Math.fround(0.1) });
    expect(at(4).get('loss')).toMatchObject({ value: Number.NaN });
    expect(at(4).get('down')).toMatchObject({ value: -Infinity });
    // What float32 would call zero or infinite is neither.
    expect(at(4).get('tiny')).toMatchObject({ kind: 'scalar', value: -(2 ** -149) });
    expect(at(4).get('huge')).toMatchObject({ kind: 'scalar', value: (2 - 2 ** -23) * 2 ** 127 });
    expect(at(4).get('w')).toMatchObject({ histogram: { count: 2, min: 1, max: 2 } });
    expect(at(4).get('nan')).toMatchObject({ histogram: { count: 0, buckets: [] } });
    expect(at(4).get('constant')).toMatchObject({ histogram: { buckets: [{ left: 0, right: 0, count: 7 }] } });
  });

  it('keep every histogram, whatever its values', () => {
    fc.assert(
      fc.property(arrays, fc.constantFrom('simple', 'tensor'), (data, form) => {
        const histogram = histogramOf(data);
        const bytes = encodeEvent(
          { wallTime: 1, step: 1, values: [{ kind: 'histogram', tag: 't', histogram }] },
          form as SummaryForm,
        );
        const { sum, sumSquares, ...facts } = histogram;
        expect(decodeEvent(bytes).values[0]).toMatchObject({ kind: 'histogram', histogram: facts });
        if (form === 'simple') expect(decodeEvent(bytes).values[0]).toMatchObject({ histogram });
      }),
    );
  });

  it('are named and tagged as TensorBoard orders and groups them', () => {
    expect(eventFileName(1_700_000_000.9, 'my host/1', 42, 0)).toBe('events.out.tfevents.1700000000.my-host-1.42.0');
    expect(layerTag('/layer1/conv1/Conv', 'gradient-norm')).toBe('layer1.conv1.Conv/gradient-norm');
    expect(layerTag('', 'loss')).toBe('model/loss');
  });

  it('have integer steps', () => {
    expect(() => new EventLog().step(0.5, {})).toThrow('a step is an integer, got 0.5');
    expect(() => new EventLog().step(Number.NaN, {})).toThrow('got NaN');
  });
});

describe('what Python reads in our files', () => {
  const python = [process.env.PYTHON, '/usr/bin/python3', 'python3'].find(
    (path) => path && spawnSync(path, ['-c', 'import google.protobuf']).status === 0,
  );
  if (!python) process.stderr.write('SKIPPED: event files against Python: no python3 with protobuf\n');

  function readWithPython(bytes: Uint8Array) {
    const directory = mkdtempSync(join(tmpdir(), 'events-'));
    try {
      writeFileSync(join(directory, 'f.tfevents'), bytes);
      const run = spawnSync(python!, [fixture('read_events.py'), join(directory, 'f.tfevents')], { encoding: 'utf8' });
      expect(run.status, run.stderr).toBe(0);
      return JSON.parse(run.stdout) as {
        events: TrueEvent[];
        stepsOfLoss?: number[];
        tensorboard?: { step: number; tag: string; plugin: string; values: (number | string)[] }[];
      };
    } finally {
      rmSync(directory, { recursive: true });
    }
  }

  it.skipIf(!python).each(['simple', 'tensor'] as const)('%s form', async (form) => {
    const bytes = sample(form);
    const { events: found, tensorboard } = readWithPython(bytes);
    const own = await eventsOf(bytes);
    expect(found.map(({ step, wallTime }) => [step, wallTime])).toEqual(own.map((e) => [e.step, e.wallTime]));
    expect(found.map(({ fileVersion, restart }) => [fileVersion, restart])).toEqual([
      ['brain.Event:2', false],
      ['', true],
      ['', true],
      ...[1, 2, 3].map(() => ['', false]),
    ]);
    const value = (i: number, tag: string) => found[i]!.values.find((other) => other.tag === tag)!;
    if (form === 'simple') {
      expect(value(3, 'größe/ε')).toEqual({ tag: 'größe/ε', plugin: '', scalar: -2 });
      expect([value(4, 'loss').scalar, value(4, 'up').scalar, value(4, 'down').scalar]).toEqual([
        'NaN',
        'Infinity',
        '-Infinity',
      ]);
      expect(value(4, 'w').histo).toEqual({
        ...{ min: 1, max: 2, num: 2, sum: 3, sum_squares: 5 },
        ...{ bucket_limit: [1.25, 2, 2], bucket: [1, 0, 1] },
      });
      expect(value(4, 'nan').histo).toMatchObject({ num: 0, bucket: [], min: 0 });
    } else {
      expect(value(3, 'loss')).toMatchObject({ plugin: 'scalars', dims: [], values: [Math.fround(0.1)], dataClass: 1 });
      expect(value(4, 'w')).toMatchObject({ plugin: 'histograms', dims: [2, 3], values: [1, 1.25, 1, 2, 2, 1] });
      expect(value(4, 'nan')).toMatchObject({ plugin: 'histograms', dims: [0, 3], values: [] });
    }
    if (!tensorboard) {
      process.stderr.write('SKIPPED: event files against TensorBoard: it is not installed\n');
      return;
    }
    expect(tensorboard.length).toBe(own.reduce((sum, { values }) => sum + values.length, 0));
    for (const { step, tag, plugin, values } of tensorboard) {
      const expected = own.flatMap((e) => (e.step === step ? e.values : [])).find((other) => other.tag === tag)!;
      expect(plugin).toBe(`${expected.kind}s`);
      if (expected.kind === 'scalar') expect(values.map(number)).toEqual([expected.value]);
      else if (expected.kind === 'histogram') {
        const rows = Array.from({ length: values.length / 3 }, (_, i) => values.slice(3 * i, 3 * i + 3).map(number));
        // The migration to tensors rounds to float32.
        const full = rows.filter(([, , count]) => count! > 0);
        expect(full).toEqual(
          expected.histogram.buckets.map(({ left, right, count }) => [Math.fround(left), Math.fround(right), count]),
        );
        expect(values.every((x) => typeof x === 'number')).toBe(true);
      }
    }
  });

  it.skipIf(!python)('of a resumed run, steps that the interrupted one had taken are void', async () => {
    const bytes = [undefined, 3].map((restartAt) => {
      const log = new EventLog({ restartAt });
      for (let step = restartAt ?? 1; step <= 5; step++) log.step(step, { scalars: [['loss', step]] });
      return log.take();
    });
    const { stepsOfLoss } = readWithPython(new Uint8Array(Buffer.concat(bytes)));
    if (stepsOfLoss) expect(stepsOfLoss).toEqual([1, 2, 3, 4, 5]);
    else process.stderr.write('SKIPPED: a resumed run in TensorBoard: it is not installed\n');
  });
});

describe('damaged events', () => {
  it('are DataErrors with the offset, and reading goes on behind them', () => {
    const good = frameRecord(encodeEvent({ wallTime: 1, step: 7 }));
    const parser = new EventParser('f');
    parser.push(frameRecord(Uint8Array.of(0x2a, 0x7f, 1)));
    parser.push(good);
    expect(() => parser.next()).toThrow(DataError);
    expect(parser.next()).toMatchObject({ step: 7 });
  });

  it('never throw anything else, and never hang', () => {
    const event = encodeEvent({ wallTime: 1, step: 3, values: [{ kind: 'scalar', tag: 'x', value: 1e-60 }] }, 'tensor');
    const mutated = fc
      .tuple(fc.nat(event.length - 1), fc.nat(255))
      .map(([at, byte]) => event.map((b, i) => (i === at ? byte : b)));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 80 }), mutated), (data) => {
        const parser = new EventParser('f');
        parser.push(frameRecord(data));
        try {
          parser.next();
        } catch (error) {
          expect(error).toBeInstanceOf(DataError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('do not make a tensor of more elements than a histogram could have', () => {
    // dtype float, shape [2^40], one value that would be repeated.
    const tensor = [0x08, 1, 0x12, 9, 0x12, 7, 8, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20, 0x2a, 0x04, 0, 0, 0, 0];
    const value = [0x42, tensor.length, ...tensor];
    const event = Uint8Array.of(0x2a, value.length + 2, 0x0a, value.length, ...value);
    expect(() => decodeEvent(event)).toThrow(/shape/);
  });

  it('stop nothing when the end is torn', async () => {
    const bytes = sample('simple');
    expect((await eventsOf(bytes.subarray(0, bytes.length - 1))).length).toBe(5);
  });

  it('are found again from the offset of any event', async () => {
    const bytes = sample('simple');
    const events = await eventsOf(bytes);
    for (const [i, { next }] of events.entries()) {
      const rest = await collect(readEvents([bytes.subarray(next)], 'f', { offset: next }));
      expect(rest).toEqual(events.slice(i + 1));
    }
  });
});
