import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ReaderError } from '../../../src/graph/errors.ts';
import { buildSpec } from '../../../src/readers/spec/index.ts';
import { layerTable } from '../../../src/readers/spec/layers/index.ts';
import { fromYaml } from './run.ts';

async function failureOf(text: string): Promise<ReaderError> {
  const fault = await fromYaml(text).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(fault).toBeInstanceOf(ReaderError);
  return fault as ReaderError;
}

const net = (...layers: string[]) => ['input: 784', 'layers:', ...layers.map((line) => `  ${line}`)].join('\n');
const steps = (...layers: string[]) => ['input: [5, 6]', 'layers:', ...layers.map((line) => `  ${line}`)].join('\n');
const image = (...layers: string[]) =>
  ['input: [1, 28, 28]', 'layers:', ...layers.map((line) => `  ${line}`)].join('\n');

describe('every fault is one line with its place, what was found and what would be accepted', () => {
  it.each([
    // Words
    [net('- dense: 100', '- sigmiod'), 'net.yaml:4:5: unknown layer "sigmiod"; did you mean "sigmoid"?'],
    [net('- densse: 100'), 'net.yaml:3:5: unknown layer "densse"; did you mean "dense"?'],
    [net('- dense: {unit: 100}'), 'net.yaml:3:13: unknown option "unit" of "dense"; did you mean "units"?'],
    [net('- dense: {units: 5, activation: rleu}'), 'net.yaml:3:35: unknown activation "rleu"; did you mean "relu"?'],
    [net('- relu: {slope: 1}'), 'net.yaml:3:12: unknown option "slope" of "relu"; known: name, repeat'],
    [
      net('- relu: 3'),
      'net.yaml:3:11: expected no value for "relu", found 3; options, as {option: value}: name, repeat',
    ],
    [`${net('- dense: 1')}\ninit: xaviar`, 'net.yaml:4:7: unknown initialization "xaviar"; did you mean "xavier"?'],
    [
      `${net('- dense: 1')}\nloss: crossentropy`,
      'net.yaml:4:7: unknown loss "crossentropy"; did you mean "cross-entropy"?',
    ],
    [`${net('- dense: 1')}\noptimizer: {adamm: 1}`, 'net.yaml:4:13: unknown optimizer "adamm"; did you mean "adam"?'],
    [`${net('- dense: 1')}\nlayer: 3`, 'net.yaml:4:1: unknown option "layer" of "the spec"; did you mean "layers"?'],
    // Values
    [net('- dense: 100 sigmoid'), 'net.yaml:3:12: units: expected a whole number of at least 1, found "100 sigmoid"'],
    [net('- dense: 0'), 'net.yaml:3:12: units: expected a whole number of at least 1, found 0'],
    [net('- dense: {units: 2.5}'), 'net.yaml:3:20: units: expected a whole number of at least 1, found 2.5'],
    [net('- dense: {activation: relu}'), 'net.yaml:3:5: "dense" needs "units": expected a whole number of at least 1'],
    [net('- dropout: 1'), 'net.yaml:3:14: rate: expected a number from 0 up to, but not including, 1, found 1'],
    [
      net('- {repeat: 20000, layers: [relu]}'),
      'net.yaml:3:14: times: expected a whole number from 1 to 10000, found 20000',
    ],
    [net('- {gelu: tan}'), 'net.yaml:3:12: approximate: expected "none" or "tanh", found "tan"; did you mean "tanh"?'],
    [
      net('- {dense: 3, relu: }'),
      'net.yaml:3:16: expected one layer, found "dense" and "relu"; give each layer its own item, starting with "- "',
    ],
    [net('- {dense: {units: 3}, units: 4}'), 'net.yaml:3:25: expected "units" once, found it twice'],
    [
      net('- dense: {units: 3, name: a.b}'),
      'net.yaml:3:29: name: expected a name of letters, digits, "_" and "-", found "a.b"',
    ],
    [
      net('- dense: {units: 3, name: a}', '- relu: {name: a}'),
      'net.yaml:4:18: the name "a" is given twice in one list',
    ],
    [net('- dense: {units: 1, init: .inf}').replace('784', '1'), undefined],
    [
      net('- dense: {units: 1, bias: he}'),
      /^net.yaml:3:29: expected a scheme for a bias, found "he-normal"; known: zeros/,
    ],
    [
      net('- dense: {units: 2, weights: [[1, 2], [3]]}').replace('784', '2'),
      'net.yaml:3:41: expected a list of 2 for "dense.weight" of shape [2, 2], found 1',
    ],
    [
      net('- dense: {units: 1, weights: [[1, x]]}').replace('784', '2'),
      'net.yaml:3:37: expected a number in "dense.weight", found "x"',
    ],
    ['input: 0\nlayers: [relu]', 'net.yaml:1:8: shape[0]: expected a whole number of at least 1, found 0'],
    ['input: [1, -3]\nlayers: [relu]', 'net.yaml:1:12: shape[1]: expected a whole number of at least 1, found -3'],
    [
      'input: {shape: 3, type: int8}\nlayers: [relu]',
      'net.yaml:1:25: type: expected "float32" or "float64" or "int64", found "int8"; known: float32, float64, int64',
    ],
    ['layers: [relu]', 'net.yaml:1:1: expected the key "input"'],
    ['input: 3', 'net.yaml:1:1: expected the key "layers"'],
    ['input: 3\nlayers: []', 'net.yaml:2:9: expected at least one layer, found []'],
    ['input: 3\nlayers: relu', 'net.yaml:2:9: expected a list of layers, found "relu"'],
    ['- relu', /^net.yaml:1:1: expected a mapping with "input" and "layers", found \["relu"\]; the shortest is/],
    // Shapes
    [
      net('- conv2d: 8'),
      'net.yaml:3:5: "conv2d": expected an input of [channels, height, width], found [784]; give "input" that shape, or put "- reshape: [1, 28, 28]" before it',
    ],
    [
      image('- max-pool: 4', '- max-pool: 4', '- conv2d: {filters: 8, kernel: 3}'),
      'net.yaml:5:5: "conv2d": a kernel of [3, 3] does not fit an input of [1, 1]; use a smaller kernel or "padding: same", or fewer strides and pools before it',
    ],
    [
      image('- dense: 10'),
      'net.yaml:3:5: "dense": expected an input of [features] or [steps, features], found [1, 28, 28]; put "- flatten" before it',
    ],
    [
      image('- conv2d: {filters: 8, kernel: [3, 3, 3]}'),
      'net.yaml:3:34: "conv2d": expected kernel to have 2 entries, found [3, 3, 3]',
    ],
    [
      image('- conv2d: {filters: 9, groups: 2}'),
      'net.yaml:3:34: "conv2d": expected groups to divide 1 channels and 9 filters, found 2',
    ],
    [
      net('- residual:', '    - dense: 10'),
      'net.yaml:3:5: "residual": expected one shape on both paths: its layers give [10], its shortcut [784]; write "shortcut: projection", or give the shortcut layers of its own',
    ],
    [
      net('- residual:', '    - dense: 10', '  shortcut: projektion'),
      'net.yaml:5:15: "residual": expected "identity", "projection" or a list of layers',
    ],
    [
      net('- reshape: [10, -1]'),
      'net.yaml:3:14: "reshape": expected a shape of 784 elements, as [784] has, found [10, -1]',
    ],
    [net('- softmax: 1'), 'net.yaml:3:14: "softmax": expected an axis of [784], from -1 to 0, found 1'],
    [
      net('- {repeat: 3, name: hidden, layers: [{dense: {units: 4, name: d}}, {max-pool: 2}]}'),
      /^net.yaml:3:71: "hidden.0.max-pool": expected an input of \[channels, length\]/,
    ],
    // Sequences
    [net('- lsmt: 3'), 'net.yaml:3:5: unknown layer "lsmt"; did you mean "lstm"?'],
    [net('- atention: 3'), 'net.yaml:3:5: unknown layer "atention"; did you mean "attention"?'],
    [
      steps('- lstm: {units: 3, forget_bias: 2}'),
      'net.yaml:3:22: unknown option "forget_bias" of "lstm"; did you mean "forget-bias"?',
    ],
    [
      net('- rnn: 5'),
      'net.yaml:3:5: "rnn": expected an input of [steps, features], found [784]; give "input" that shape, or put a "- reshape" before it; a recurrent layer before it needs "sequence: true"',
    ],
    [
      steps('- lstm: 4', '- gru: 5'),
      'net.yaml:4:5: "gru": expected an input of [steps, features], found [4]; give "input" that shape, or put a "- reshape" before it; a recurrent layer before it needs "sequence: true"',
    ],
    [
      steps('- rnn: {units: 3, activation: sigmoid}'),
      /^net.yaml:3:33: activation: expected "tanh" or "relu", found "sigmoid"/,
    ],
    [
      steps('- lstm: {units: 3, bias: false, forget-bias: 1}'),
      'net.yaml:3:48: "lstm": expected "forget-bias" or "bias: false", found both',
    ],
    [
      steps('- lstm: {units: 3, bias: [1, 2]}'),
      /^net.yaml:3:28: expected an initialization, found \[1,2\]; known: zeros/,
    ],
    [steps('- attention: 4'), 'net.yaml:3:16: "attention": expected heads to divide a width of 6, found 4'],
    [
      steps('- transformer-encoder: {heads: 4}'),
      'net.yaml:3:34: "encoder.attention": expected heads to divide a width of 6, found 4',
    ],
    [
      steps('- transformer-encoder: {heads: 2, norm: before}'),
      /^net.yaml:3:43: norm: expected "pre" or "post" or "none", found "before"/,
    ],
    [
      image('- mean-pool'),
      'net.yaml:3:5: "mean-pool": expected an input of [steps, features], found [1, 28, 28]; give "input" that shape, or put a "- reshape" before it',
    ],
    [image('- group-norm: 2'), 'net.yaml:3:17: "group-norm": expected groups to divide 1 channels, found 2'],
    [
      net('- instance-norm'),
      'net.yaml:3:5: "instance-norm": expected an input of [channels, …], found [784]; for [features] take "- layer-norm"',
    ],
    [
      net('- embedding: {units: 3, vocabulary: 10}'),
      'net.yaml:3:5: "embedding": expected integer tokens, found an input of type float32; write "input: {shape: 20, type: int64}"; numbers need no embedding, "- dense" serves',
    ],
    [
      'input: {shape: 20, type: int64}\nlayers: [{dense: 3}]',
      'net.yaml:2:11: "dense": expected numbers, found tokens of type int64; put "- embedding: {vocabulary: 1000, units: 32}" before it',
    ],
    [
      'input: {shape: 20, type: int64}\nlayers: [{embedding: 3}]',
      'net.yaml:2:11: "embedding" needs "vocabulary": expected a whole number of at least 1',
    ],
    [
      steps('- positional-embedding: {kind: sinusoidal, init: he}'),
      'net.yaml:3:52: "positional-embedding": expected "sinusoidal" or "init", found both',
    ],
    [
      net('- {dense: 3, dropout: 0.5}'),
      'net.yaml:3:16: expected one layer, found "dense" and "dropout"; give each layer its own item, starting with "- "',
    ],
    [net('- residual: [{dense: 784}]', '  scale: much'), 'net.yaml:4:12: scale: expected a number, found "much"'],
    // Sizes
    [
      steps('- lstm: 100000'),
      /^net.yaml:3:5: expected parameters of at most 2147483648 bytes, found .* lstm.recurrent/,
    ],
    [steps('- lstm: 3000'), /^net.yaml:3:5: "lstm": an orthogonal matrix \[3000, 3000\] takes minutes to draw/],
    [
      'input: [60000, 6]\nlayers: [{attention: 1}]',
      /^net.yaml:2:11: "attention": expected a result of at most 2147483648 elements/,
    ],
    [
      net('- dense: 2000000'),
      'net.yaml:3:5: expected parameters of at most 2147483648 bytes, found 6272000000 with dense.weight [2000000, 784]',
    ],
    [
      net(
        '- dense: {units: 20, init: orthogonal}',
        '- dense: {units: 4000, init: zeros}',
        '- dense: {units: 4000, init: orthogonal}',
      ),
      /^net.yaml:5:5: "dense3": an orthogonal matrix \[4000, 4000\] takes minutes to draw/,
    ],
    [net('- {repeat: 10000, layers: [{repeat: 10000, layers: [relu]}]}'), /expected at most 100000 layers$/],
    // Syntax
    ['input: 784\nlayers: [relu', /^net.yaml:2:14: expected YAML or JSON: Flow sequence/],
    ['input: 784\ninput: 3\nlayers: [relu]', 'net.yaml:2:1: expected YAML or JSON: Map keys must be unique'],
    ['input: 784\nlayers: *x', /^net.yaml: expected YAML or JSON: .*x/],
    ['', /^net.yaml: the spec is empty; expected a network with "input" and "layers"/],
  ] as [string, string | RegExp | undefined][])('%#: %s', async (text, expected) => {
    const fault = await failureOf(text);
    if (typeof expected === 'string') expect(fault.describe()).toBe(expected);
    else if (expected) expect(fault.describe()).toMatch(expected);
    expect(fault.describe()).not.toContain('\n');
  });

  it('names the path where there is no text', () => {
    const spec = { input: 4, layers: ['relu', { dense: { units: 'many' } }] };
    expect(() => buildSpec(spec)).toThrow(ReaderError);
    try {
      buildSpec(spec);
    } catch (fault) {
      expect((fault as ReaderError).where).toBe('layers[1].dense.units');
    }
  });

  it('finds the place through an alias', async () => {
    const text = 'input: 4\nlayers:\n  - &d {dense: {units: 4, init: nope}}\n  - *d';
    expect((await failureOf(text)).where).toBe('net.yaml:3:33');
  });
});

describe('input from strangers', () => {
  it('refuses aliases that expand without end', async () => {
    const lines = ['a: &a [relu, relu, relu, relu, relu, relu, relu, relu]'];
    for (let i = 0; i < 8; i++) {
      const from = String.fromCharCode(97 + i);
      const to = String.fromCharCode(98 + i);
      lines.push(`${to}: &${to} [${Array(8).fill(`*${from}`).join(', ')}]`);
    }
    expect((await failureOf(`${lines.join('\n')}\nlayers: *i\ninput: 3`)).message).toMatch(/alias/i);
  });

  it('refuses nesting without end', async () => {
    let layers = '[relu]';
    for (let i = 0; i < 40; i++) layers = `[{repeat: 1, layers: ${layers}}]`;
    expect((await failureOf(`input: 3\nlayers: ${layers}`)).message).toMatch(/at most 32 deep/);
    expect((await failureOf(`input: 3\nlayers: ${'['.repeat(100000)}`)).code).toBe('spec-syntax');
  });

  it('refuses an object that contains itself', () => {
    const layer: Record<string, unknown> = { repeat: 2 };
    layer.layers = [layer];
    expect(() => buildSpec({ input: 3, layers: [layer] })).toThrow(/at most 32 deep/);
    layer.repeat = layer;
    expect(() => buildSpec({ input: 3, layers: [layer] })).toThrow(ReaderError);
  });

  it('refuses bytes that are no text', async () => {
    const { read } = await import('../../../src/readers/spec/index.ts');
    const bytes = Uint8Array.from([0x69, 0xff, 0xfe]);
    await expect(read({ name: 'x.yaml', bytes })).rejects.toThrow('expected YAML or JSON text in UTF-8');
  });

  const words = [
    ...Object.keys(layerTable.kinds),
    ...['units', 'filters', 'kernel', 'stride', 'padding', 'same', 'init', 'bias', 'weights', 'name', 'layers'],
    ...[
      'shortcut',
      'projection',
      'activation',
      'heads',
      'vocabulary',
      'sequence',
      'recurrent-init',
      'he',
      'constant',
      '__proto__',
      'constructor',
      'toString',
    ],
  ];
  const anything = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom(...words),
      fc.integer({ min: -2, max: 9 }),
      fc.constantFrom(null, true, false, 0.5, Number.NaN, Infinity, 1e300, ''),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom(...words), tie('value'), { maxKeys: 3 }),
    ),
  })).value;

  it('never fails with anything but a ReaderError', () => {
    let built = 0;
    const layer = fc.oneof(
      anything,
      fc.constantFrom<unknown>(
        'relu',
        { dense: 3 },
        { conv2d: 2, padding: 'same' },
        'flatten',
        { lstm: 2, sequence: true },
        {
          attention: 2,
        },
      ),
    );
    fc.assert(
      fc.property(
        fc.oneof(fc.constantFrom<unknown>(4, [2, 6, 6], [3, 8], { shape: 5, type: 'int64' }), anything),
        fc.array(layer, { maxLength: 4 }),
        fc.dictionary(fc.constantFrom('init', 'bias', 'loss', 'optimizer', 'seed', 'batch', 'name'), anything, {
          maxKeys: 2,
        }),
        (input, layers, rest) => {
          try {
            buildSpec({ input, layers, ...rest });
            built++;
          } catch (fault) {
            if (!(fault instanceof ReaderError)) throw fault;
            expect(fault.where).toBeTruthy();
          }
        },
      ),
      { numRuns: 3000 },
    );
    // Some forty to a hundred of them are networks: the test is not one of refusals alone.
    expect(built).toBeGreaterThan(5);
  });

  it('survives any damage to a text', async () => {
    const text =
      'name: n\ninput: [1, 8, 8]\nlayers:\n  - conv2d: {filters: 4, padding: same, activation: relu}\n  - residual:\n      - batch-norm\n      - relu\n  - global-average-pool\n  - dense: 10\ninit: {he: {gain: 2}}\nseed: 1\n';
    await fc.assert(
      fc.asyncProperty(fc.nat(text.length), fc.nat(6), fc.string({ maxLength: 4 }), async (at, cut, insert) => {
        const damaged = text.slice(0, at) + insert + text.slice(at + cut);
        await fromYaml(damaged).catch((fault) => {
          if (!(fault instanceof ReaderError)) throw fault;
        });
      }),
      { numRuns: 1500 },
    );
  });
});
