// Mutates real models and gives them to the reader and the differentiator: node scripts/fuzz.mjs [cases] [seed].
// Every case must end in a result or a UserError within its time; a crash, a hang or any other error is reported with
// the command that repeats it. Cases run in child processes, so that a crash is seen and not shared.
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build, install, root } from './steps.mjs';

const CASE_MS = 20_000;
const WORKERS = 2;

const [count = '10000', seed = '1', only] = process.argv.slice(2);
if (process.env.FUZZ_WORKER) await work();
else await supervise(Number(count), Number(seed));

async function supervise(cases, firstSeed) {
  if (!only) {
    install();
    build();
  }
  const outcomes = {};
  const failures = [];
  let next = 0;
  const total = only ? 1 : cases;
  const takeSeed = () => (only ? Number(only) : firstSeed * 1_000_003 + next);
  const start = Date.now();
  const tally = (outcome) => {
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    const done = Object.values(outcomes).reduce((a, b) => a + b, 0);
    if (done % 500 === 0) process.stderr.write(`${done}/${total} after ${Math.round((Date.now() - start) / 1000)} s\n`);
  };
  const lane = () =>
    new Promise((resolve) => {
      let child;
      let timer;
      let current;
      const give = () => {
        if (next >= total) {
          child?.kill();
          resolve();
          return;
        }
        current = takeSeed();
        next++;
        timer = setTimeout(() => child.kill('SIGKILL'), CASE_MS);
        child.send(current);
      };
      const launch = () => {
        child = spawn(process.execPath, ['--max-old-space-size=2048', join(root, 'scripts/fuzz.mjs')], {
          env: { ...process.env, FUZZ_WORKER: '1' },
          stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
        });
        child.on('message', (message) => {
          if (message === 'ready') return give();
          clearTimeout(timer);
          tally(message.outcome);
          if (message.outcome === 'raw error') failures.push({ seed: current, what: message.detail });
          current = undefined;
          return give();
        });
        child.on('exit', (code, signal) => {
          clearTimeout(timer);
          if (current === undefined) return;
          const what = signal === 'SIGKILL' ? 'hang' : `crash (${signal ?? code})`;
          tally(what);
          failures.push({ seed: current, what });
          current = undefined;
          launch();
        });
      };
      launch();
    });
  await Promise.all(Array.from({ length: only ? 1 : WORKERS }, lane));
  process.stdout.write(`${JSON.stringify(outcomes)}\n`);
  for (const { seed: failed, what } of failures.slice(0, 20)) {
    process.stdout.write(`${what}: node scripts/fuzz.mjs 1 1 ${failed}\n`);
  }
  process.exitCode = failures.length > 0 ? 1 : 0;
}

async function work() {
  const { UserError, differentiate, memorySource, nodeRuntime, readModelSource } = await import('../dist/node.js');
  const { fromBinary, toBinary } = await import('@bufbuild/protobuf');
  const { ModelProtoSchema } = await import('onnx-buf');
  const runtime = nodeRuntime({ threads: 1 });
  const corpus = loadCorpus();
  process.on('unhandledRejection', (error) => {
    process.send({ outcome: 'raw error', detail: `unhandled rejection ${error}` });
  });
  process.on('message', async (caseSeed) => {
    const random = generator(caseSeed);
    const bytes = mutate(corpus[Math.floor(random() * corpus.length)], random, {
      fromBinary,
      toBinary,
      ModelProtoSchema,
    });
    try {
      const model = await readModelSource(memorySource('fuzz.onnx', bytes));
      await differentiate(model, { runtime, wrt: random() < 0.5 ? ['parameters'] : ['inputs'] });
      process.send({ outcome: 'differentiated' });
    } catch (error) {
      if (error instanceof UserError) process.send({ outcome: error.constructor.name });
      else
        process.send({ outcome: 'raw error', detail: `${error?.stack ?? error}`.split('\n').slice(0, 3).join(' | ') });
    }
  });
  process.send('ready');
}

function loadCorpus() {
  const folders = ['test/fixtures/torch', 'test/fixtures/composites', 'test/fixtures/onnx'];
  return folders.flatMap((folder) => {
    try {
      return readdirSync(join(root, folder))
        .filter((file) => file.endsWith('.onnx'))
        .map((file) => readFileSync(join(root, folder, file)))
        .filter((bytes) => bytes.length < 1_500_000);
    } catch {
      return [];
    }
  });
}

function generator(seed) {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Half of the cases break bytes, half break meaning: names, attributes, shapes, operators, order. */
function mutate(original, random, protobuf) {
  const times = 1 + Math.floor(random() * 4);
  if (random() < 0.5) {
    let bytes = Buffer.from(original);
    for (let i = 0; i < times; i++) bytes = breakBytes(bytes, random);
    return bytes;
  }
  const model = protobuf.fromBinary(protobuf.ModelProtoSchema, original);
  for (let i = 0; i < times; i++) breakMeaning(model, random);
  return Buffer.from(protobuf.toBinary(protobuf.ModelProtoSchema, model));
}

function breakBytes(bytes, random) {
  // The structure stands in the first and last kilobytes; weights fill the middle.
  const near = Math.min(bytes.length, 20_000);
  const at = Math.floor(random() * near);
  switch (Math.floor(random() * 5)) {
    case 0:
      bytes[at] ^= 1 << Math.floor(random() * 8);
      return bytes;
    case 1:
      return bytes.subarray(0, Math.floor(random() * bytes.length));
    case 2:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + Math.floor(random() * 30))]);
    case 3:
      return Buffer.concat([
        bytes.subarray(0, at),
        bytes.subarray(at, at + Math.floor(random() * 200)),
        bytes.subarray(at),
      ]);
    default:
      for (let i = 0; i < 8; i++) bytes[(at + i) % bytes.length] = Math.floor(random() * 256);
      return bytes;
  }
}

const operators =
  'Add Mul Relu Sigmoid Gemm MatMul Conv Reshape Transpose Softmax Concat Slice Gather Split Loop If Scan LSTM Resize Einsum TopK NonZero Pad Expand Where Cast SequenceConstruct Nonsense'.split(
    ' ',
  );
const oddNumbers = [-1n, 0n, 1n, 2n, 7n, 1n << 31n, 1n << 40n, -(1n << 40n), (1n << 62n) - 1n];

function breakMeaning(model, random) {
  const { graph } = model;
  const pick = (list) => list[Math.floor(random() * list.length)];
  const node = pick(graph.node);
  if (!node) return;
  const attribute = pick(node.attribute);
  const tensor = pick(graph.initializer);
  const anyOutput = () => pick(pick(graph.node).output) ?? '';
  const setOne = (list, value) => {
    if (list?.length > 0) list[Math.floor(random() * list.length)] = value;
  };
  const set = (object, values) => object && Object.assign(object, values);
  const changes = [
    () => set(node, { opType: pick(operators) }),
    () => setOne(node.input, anyOutput()),
    () => node.input.pop(),
    () => node.input.push(pick(graph.initializer)?.name ?? 'nothing'),
    () => setOne(node.output, anyOutput()),
    () => graph.node.reverse(),
    () => graph.node.splice(Math.floor(random() * graph.node.length), 1),
    () => set(attribute, { i: pick(oddNumbers) }),
    () => setOne(attribute?.ints, pick(oddNumbers)),
    () => set(attribute, { type: Math.floor(random() * 15) }),
    () => setOne(tensor?.dims, pick(oddNumbers)),
    () => set(tensor, { dataType: Math.floor(random() * 24) }),
    () => set(tensor, { rawData: tensor?.rawData.subarray(0, Math.floor(random() * tensor.rawData.length)) }),
    () => set(pick(model.opsetImport), { version: BigInt(Math.floor(random() * 32)) }),
    () => set(node, { domain: pick(['ai.onnx', 'com.microsoft', 'somewhere']) }),
    () => graph.input.pop(),
    () => graph.output.push(graph.output[0]),
    () =>
      set(pick(pick(graph.input)?.type?.value?.value?.shape?.dim ?? []), {
        value: { case: 'dimValue', value: pick(oddNumbers) },
      }),
  ];
  pick(changes)();
}
