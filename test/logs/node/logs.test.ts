import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  EventFileReader,
  EventFileWriter,
  followEventFile,
  listEventFiles,
} from '../../../src/logs/node/event-file.ts';
import { MetricsFileWriter, readMetricsFile } from '../../../src/logs/node/metrics-file.ts';
import type { LoggedEvent } from '../../../src/logs/tensorboard/reader.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'logs-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
const steps = (events: readonly LoggedEvent[]) =>
  events.map(({ step, values }) => (values.length > 0 ? step : 'start'));

describe('event files', () => {
  it('keep every step, also those logged while others are written', async () => {
    const writer = await EventFileWriter.create(directory);
    const flushes: Promise<void>[] = [];
    for (let step = 0; step < 2000; step++) {
      writer.step(step, { scalars: [['loss', step]] });
      if (step % 7 === 0) flushes.push(writer.flush());
    }
    await Promise.all(flushes);
    await writer.close();
    const events = await collect(new EventFileReader(writer.path).read());
    expect(steps(events)).toEqual(['start', ...Array(2000).keys()]);
  });

  it('are named so that those of a later run are read later, even within one second', async () => {
    const names: string[] = [];
    for (let i = 0; i < 3; i++) {
      const writer = await EventFileWriter.create(directory, { now: () => 1_700_000_000 });
      await writer.close();
      names.push(basename(writer.path));
    }
    expect((await listEventFiles(directory)).map((path) => basename(path))).toEqual(names);
    expect(names[0]).toMatch(/^events\.out\.tfevents\.1700000000\.[\w.-]+\.\d+\.\d+$/);
  });

  it('are read as they grow, torn records included, and resumed at any event', async () => {
    const writer = await EventFileWriter.create(directory);
    for (let step = 0; step < 3; step++) writer.step(step, { scalars: [['loss', 1]] });
    await writer.close();
    const whole = readFileSync(writer.path);
    const path = join(directory, 'growing.tfevents');
    writeFileSync(path, '');
    const reader = new EventFileReader(path);
    const seen: LoggedEvent[] = [];
    for (const byte of whole) {
      appendFileSync(path, Buffer.of(byte));
      seen.push(...(await collect(reader.read())));
      expect(reader.truncated).toBe(reader.offset < readFileSync(path).length);
    }
    expect(steps(seen)).toEqual(['start', 0, 1, 2]);
    expect(reader.truncated).toBe(false);
    const later = new EventFileReader(path, { offset: seen[1]!.next });
    expect(steps(await collect(later.read()))).toEqual([1, 2]);
  });

  it('are followed until the signal aborts', async () => {
    const writer = await EventFileWriter.create(directory);
    const stop = new AbortController();
    const seen: (number | string)[] = [];
    for await (const event of followEventFile(writer.path, { every: 5, signal: stop.signal })) {
      seen.push(...steps([event]));
      if (seen.length > 4) stop.abort();
      writer.step(seen.length, { scalars: [['loss', 1]] });
      await writer.flush();
    }
    expect(seen).toEqual(['start', 1, 2, 3, 4]);
    await writer.close();
  });

  it('that are damaged say where, and the rest is still read', async () => {
    const writer = await EventFileWriter.create(directory);
    for (let step = 0; step < 3; step++) writer.step(step, { scalars: [['loss', 1]] });
    await writer.close();
    const events = await collect(new EventFileReader(writer.path).read());
    const bytes = readFileSync(writer.path);
    bytes[events[1]!.next + 14]! ^= 1;
    writeFileSync(writer.path, bytes);
    const reader = new EventFileReader(writer.path);
    const seen: LoggedEvent[] = [];
    const read = async () => {
      for await (const event of reader.read()) seen.push(event);
    };
    await expect(read()).rejects.toMatchObject({
      code: 'corrupt-record',
      where: `${writer.path}, offset ${events[1]!.next}`,
    });
    await read();
    expect(steps(seen)).toEqual(['start', 0, 2]);
  });

  it('that shrank, are missing or no files are DataErrors', async () => {
    const writer = await EventFileWriter.create(directory);
    await writer.close();
    const reader = new EventFileReader(writer.path);
    await collect(reader.read());
    truncateSync(writer.path, 3);
    await expect(collect(reader.read())).rejects.toMatchObject({ name: 'DataError', code: 'file-shrank' });
    for (const path of [directory, join(directory, 'none'), '/dev/null']) {
      await expect(collect(new EventFileReader(path).read())).rejects.toMatchObject({ name: 'DataError' });
    }
    await expect(EventFileWriter.create(join(directory, 'none'))).rejects.toMatchObject({ name: 'DataError' });
  });
});

describe('metrics files', () => {
  const path = () => join(directory, 'metrics.jsonl');

  it('are appended to, a torn last line cut off', async () => {
    const first = await MetricsFileWriter.open(path());
    first.add({ step: 1, loss: 2 });
    first.add({ step: 2, loss: Number.NaN });
    await first.close();
    appendFileSync(path(), `{"step":3,"note":"${'x'.repeat(100_000)}`);
    expect(await readMetricsFile(path())).toMatchObject({ torn: true });
    const second = await MetricsFileWriter.open(path());
    second.add({ step: 3 });
    await second.close();
    expect(await readMetricsFile(path())).toEqual({
      lines: [{ step: 1, loss: 2 }, { step: 2, loss: Number.NaN }, { step: 3 }],
      torn: false,
    });
  });

  it('keep lines in order, also those added while others are written', async () => {
    const writer = await MetricsFileWriter.open(path());
    const flushes: Promise<void>[] = [];
    for (let step = 0; step < 500; step++) {
      writer.add({ step });
      flushes.push(writer.flush());
    }
    await Promise.all(flushes);
    await writer.close();
    expect((await readMetricsFile(path())).lines).toEqual(Array.from({ length: 500 }, (_, step) => ({ step })));
  });

  it('that cannot be opened are DataErrors', async () => {
    mkdirSync(path());
    await expect(MetricsFileWriter.open(path())).rejects.toMatchObject({ name: 'DataError', where: path() });
    expect(readdirSync(directory)).toEqual(['metrics.jsonl']);
  });
});
