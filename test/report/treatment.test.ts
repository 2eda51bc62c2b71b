import { describe, expect, it } from 'vitest';
import type { Finding } from '../../src/diagnosis/finding.ts';
import type { Remedy } from '../../src/remedies/remedy.ts';
import { cleanCode, widthOf } from '../../src/report/text.ts';
import { sayHealth } from '../../src/report/treatment/health.ts';
import { renderTreatmentHtml } from '../../src/report/treatment/html.ts';
import { renderTreatmentJson, TREATMENT_SCHEMA } from '../../src/report/treatment/json.ts';
import { renderTreatmentMarkdown } from '../../src/report/treatment/markdown.ts';
import { renderTreatment } from '../../src/report/treatment/terminal.ts';
import type { Treatment } from '../../src/report/treatment/treatment.ts';
import { depthRows, droppedPlans, lossCurves, planRows, sayConfidence } from '../../src/report/treatment/words.ts';
import type { TrialResult } from '../../src/trials/trial.ts';
import { subjectOf } from '../helpers/subjects.ts';

const HOSTILE = '<script>alert(1)</script>\u202e|`x`\n# mark';

const trial = (plan: string, seed: number, losses: number[], more: Partial<TrialResult> = {}): TrialResult => ({
  id: `${plan}-${seed}`,
  plan,
  seed,
  steps: 100,
  status: 'done',
  training: losses.map((loss, i) => ({ step: (100 * (i + 1)) / losses.length, loss })),
  heldOut: { loss: losses.at(-1)!, accuracy: 0.5, rows: 100 },
  seconds: 3,
  secondsPerStep: 0.02,
  ...more,
});

const remedy: Remedy = {
  id: 'use-relu',
  title: 'ReLU',
  changes: 'changes-model',
  why: 'no factor of a quarter is left',
  removes: ['activation-derivative'],
  conflicts: [],
  references: ['He et al. 2015'],
  applies: () => 'fits',
  apply: (design) => design,
  predict: () => -0.1,
  patch: () => ({ pytorch: '', keras: '', tfjs: '' }),
};

const before = subjectOf({
  layers: [
    { name: 'first', decades: -6.1 },
    { name: 'out', decades: 0 },
  ],
  byKind: { 'activation-derivative': -6.1 },
});
const after = subjectOf({
  layers: [
    { name: 'first', decades: -0.1 },
    { name: 'norm', decades: 0 },
    { name: 'out', decades: 0 },
  ],
  byKind: { 'activation-derivative': -0.1 },
});

const plan = (id: string) => ({
  id,
  remedies: id.split('+'),
  predictedDecades: -0.1,
  titles: ['ReLU'],
  reasons: ['it fits'],
  changes: 'changes-model' as const,
});

/** A treatment in which ReLU won over three seeds, one plan was given up and one could not be carried out. */
function improved(more: Partial<Treatment> = {}): Treatment {
  const judged = (id: string, loss: number) => ({
    plan: id,
    seeds: 3,
    faults: 0,
    heldOutLoss: loss,
    accuracy: id === 'baseline' ? 0.1 : 0.9,
    trainingLoss: loss,
    decades: id === 'baseline' ? -6.1 : -0.05,
  });
  return {
    outcome: 'improved',
    reason: 'use-relu has the lowest held-out loss',
    before,
    after,
    plans: [plan('use-relu'), plan('use-gelu'), plan('never-tried')],
    skipped: [{ plan: { id: 'add-batch-norm', remedies: ['add-batch-norm'] }, reason: 'no place for it' }],
    ranking: {
      outcome: 'improved',
      winner: 'use-relu',
      reason: 'use-relu has the lowest held-out loss',
      judgements: [
        { ...judged('use-relu', 0.35), againstBaseline: { mean: -1.95, low: -2.01, high: -1.9, level: 0.95 } },
        { ...judged('baseline', 2.3), againstBest: { mean: 1.95, low: 1.9, high: 2.01, level: 0.95 } },
      ],
    },
    results: [
      ...[0, 1, 2].flatMap((seed) => [
        trial('use-relu', seed, [2.3, 1 + 0.1 * seed, 0.35]),
        trial('baseline', seed, [2.3, 2.3, 2.3]),
      ]),
      trial('use-gelu', 0, [2.3, 1.4], { steps: 20, heldOut: { loss: 1.5, rows: 100 } }),
    ],
    parameters: new Map([
      ['baseline', 1000],
      ['use-relu', 1000],
    ]),
    remedies: [remedy],
    patches: [
      {
        remedy: 'use-relu',
        title: 'ReLU',
        patch: { pytorch: 'for m in model:\n    m.act = nn.ReLU()  # <here>', keras: 'pass', tfjs: 'x();' },
      },
    ],
    winner: {
      plan: { id: 'use-relu', remedies: ['use-relu'] },
      design: { training: { optimizer: { name: 'sgd' }, learningRate: 0.1, loss: 'mse', output: 'y', batch: 8 } },
      bytes: new Uint8Array(),
      hash: 'abc',
    } as unknown as Treatment['winner'],
    trials: {
      executor: '2 worker threads',
      steps: 100,
      seeds: 3,
      rounds: 2,
      done: 7,
      seconds: 31,
      data: 'mnist',
      heldOut: true,
      complete: true,
    },
    notes: [],
    command: 'gradient-doctor treat net.onnx --data mnist',
    written: { path: 'net.treated.onnx', train: 'gradient-doctor train net.treated.onnx --data mnist --lr 0.1' },
    ...more,
  };
}

/** Every name that a stranger can choose is hostile. */
function hostile(): Treatment {
  const treatment = improved();
  const rename = (text: string) => text.replaceAll('first', HOSTILE);
  return {
    ...treatment,
    before: subjectOf({ name: HOSTILE, layers: [{ name: HOSTILE, decades: -6 }, { name: 'out' }] }),
    after: subjectOf({ name: HOSTILE, layers: [{ name: HOSTILE, decades: 0 }, { name: 'out' }] }),
    reason: HOSTILE,
    notes: [HOSTILE],
    skipped: [{ plan: { id: HOSTILE, remedies: [HOSTILE] }, reason: rename('first') }],
    patches: [{ remedy: HOSTILE, title: HOSTILE, patch: { pytorch: HOSTILE, keras: HOSTILE, tfjs: HOSTILE } }],
    trials: { ...treatment.trials, data: HOSTILE, executor: HOSTILE },
    command: `gradient-doctor treat '${HOSTILE}'`,
    written: { path: HOSTILE, train: HOSTILE },
  };
}

describe('what a treatment says', () => {
  it('has the plans of the last round with what was predicted and measured', () => {
    const [best, base] = planRows(improved());
    expect(best).toMatchObject({ plan: 'use-relu', isWinner: true, predicted: -0.1, measured: -0.05, loss: 0.35 });
    expect(base).toMatchObject({ plan: 'baseline', isBaseline: true, predicted: undefined, parameters: 1000 });
    // Of the steps alone: a trial's beginning and end take another second.
    expect(best!.secondsPerStep).toBeCloseTo(0.02, 12);
  });

  it('says what became of every other plan', () => {
    expect(droppedPlans(improved()).map(({ plan: id, reason }) => `${id}: ${reason}`)).toEqual([
      'use-gelu: given up after 20 steps at a held-out loss of 1.5',
      'never-tried: not trained',
      'add-batch-norm: left out: no place for it',
    ]);
  });

  it('draws the mean loss of the seeds, the winner first', () => {
    const [winner, baseline] = lossCurves(improved());
    expect(winner!.name).toBe('use-relu');
    // (1 + 1.1 + 1.2) / 3 in the middle.
    expect(winner!.y.map((y) => Number(y.toFixed(6)))).toEqual([2.3, 1.1, 0.35]);
    expect(baseline!.y).toEqual([2.3, 2.3, 2.3].map((y) => expect.closeTo(y, 9)));
  });

  it('puts layers side by side by name, new ones last', () => {
    expect(depthRows(improved()).map(({ layer }) => layer)).toEqual(['out', 'first', 'norm']);
    expect(depthRows(improved())[1]).toMatchObject({ before: -6.1, after: -0.1 });
  });

  it.each([
    ['strong', {}],
    ['moderate', { complete: false }],
    ['weak', { complete: false, heldOut: false }],
  ] as const)('is %s where %j', (level, more) => {
    const treatment = improved();
    expect(sayConfidence({ ...treatment, trials: { ...treatment.trials, ...more } }).level).toBe(level);
  });

  it('says which errors are gone or left, and how the gradient stands behind training', () => {
    const finding = (rule: Finding['rule']): Finding => ({
      rule,
      severity: 'error',
      title: rule,
      explanation: '',
      where: [],
      basis: '',
      evidence: {},
      causes: [],
      remedies: [],
    });
    const of = (...rules: Finding['rule'][]) => subjectOf({ layers: [{ name: 'out' }], findings: rules.map(finding) });
    const health = (from: Finding['rule'][], to: Finding['rule'][]) =>
      sayHealth(improved({ before: of(...from), after: of(...to) }));
    expect(health(['vanishing-through-time', 'stalled-layer'], [])).toEqual([
      'Diagnosed again before training: vanishing-through-time, stalled-layer are gone, no error is left.',
    ]);
    expect(health(['vanishing-gradient', 'poor-initialization'], ['poor-initialization'])).toEqual([
      'Diagnosed again before training: vanishing-gradient is gone, poor-initialization is an error still.',
    ]);
    expect(health([], [])).toEqual([]);
    const treatment = improved();
    const judgements = treatment.ranking!.judgements.map((one) => ({
      ...one,
      decadesAfter: one.plan === 'baseline' ? -3.21 : -0.12,
    }));
    expect(sayHealth({ ...treatment, ranking: { ...treatment.ranking!, judgements } })).toEqual([
      'After 100 steps of training the redesigned network is at -0.1 decades, as it was given at -3.2.',
    ]);
  });

  it('names trainings that broke down', () => {
    const treatment = improved();
    const judgements = treatment.ranking!.judgements.map(({ againstBaseline: _, ...one }) =>
      one.plan === 'baseline' ? { ...one, faults: 3, heldOutLoss: Number.POSITIVE_INFINITY } : one,
    );
    const { sentences } = sayConfidence({ ...treatment, ranking: { ...treatment.ranking!, judgements } });
    expect(sentences).toEqual(['The baseline broke down in 3 of 3 trainings, use-relu in none.']);
  });

  it('is weak after one training each, and says why', () => {
    const treatment = improved();
    const judgements = treatment.ranking!.judgements.map((judgement) => ({ ...judgement, seeds: 1 }));
    const { level, sentences } = sayConfidence({ ...treatment, ranking: { ...treatment.ranking!, judgements } });
    expect(level).toBe('weak');
    expect(sentences.join(' ')).toContain('One training each');
  });

  it('claims nothing of a network that was not trained', () => {
    const { ranking: _, ...rest } = improved({ outcome: 'gradient-only', results: [] });
    expect(sayConfidence(rest)).toMatchObject({ level: 'none' });
    expect(renderTreatment(rest)).toContain('Nothing was trained');
    expect(renderTreatmentHtml(rest)).toContain('not that the network learns');
  });
});

describe('the terminal report', () => {
  const text = renderTreatment(improved());

  it('begins with the verdict and holds what was measured', () => {
    expect(text).toContain('✓ improved   use-relu: held-out loss 2.3 → 0.35, accuracy 10.0 % → 90.0 %');
    expect(text).toMatch(/▸use-relu +0\.35 +-1\.95 \[-2\.01, -1\.9\] +90\.0 % +-0\.1 +-0\.1/);
    expect(text.replace(/\s+/g, ' ')).toContain(
      'strong. use-relu against the baseline: -1.95 of loss (95 % between -2.01 and -1.9)',
    );
    expect(text).toMatch(/first +-6\.1 +-0\.1/);
    expect(text).toMatch(/at its starting\s+weights, ready to train/);
  });

  it('keeps the indentation of code, and commands on one line', () => {
    expect(text).toContain('\n      m.act = nn.ReLU()  # <here>\n');
    expect(text).toContain('train it   gradient-doctor train net.treated.onnx --data mnist --lr 0.1\n');
  });

  it.each([40, 56, 80, 100])('is at most %i columns wide, but for code and commands', (columns) => {
    const lines = renderTreatment(improved({ patches: [] }), { columns }).split('\n');
    for (const line of lines) if (!/gradient-doctor t/.test(line)) expect(widthOf(line)).toBeLessThanOrEqual(columns);
  });

  it('is ASCII where it must be', () => {
    expect(renderTreatment(improved(), { unicode: false })).toMatch(/^[\x20-\x7e\n]*$/);
  });

  it.each(['healthy', 'no-plan', 'too-little-evidence', 'nothing-helps'] as const)(
    'says %s by its reason',
    (outcome) => {
      const {
        ranking: _,
        winner: __,
        after: ___,
        ...rest
      } = improved({ outcome, reason: 'because of that', results: [] });
      const shown = renderTreatment({ ...rest, remedies: [], patches: [] });
      expect(shown).toContain(outcome.replaceAll('-', ' '));
      expect(shown).toContain('because of that');
    },
  );
});

describe('names of strangers', () => {
  it('move no cursor in a terminal', () => {
    for (const unicode of [true, false]) {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
      expect(renderTreatment(hostile(), { unicode })).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202a-\u202e]/);
    }
  });

  it('are text in HTML, and the page is well-formed', () => {
    const page = renderTreatmentHtml(hostile(), { frameworks: ['pytorch', 'keras', 'tfjs'] });
    expect(page).not.toContain('<script');
    expect(page).not.toContain('\u202e');
    expect(page).toContain('&lt;script&gt;');
    const open: string[] = [];
    for (const [, close, tag, self] of page
      .replace('<!DOCTYPE html>', '')
      .matchAll(/<(\/?)([a-z0-9]+)[^>]*?(\/?)>/gi)) {
      if (close) expect(open.pop()).toBe(tag);
      else if (!self) open.push(tag!);
    }
    expect(open).toEqual([]);
  });

  it('are text in Markdown, outside of code', () => {
    const text = renderTreatmentMarkdown(hostile());
    const outside = text.replace(/^(`{3,})[\s\S]*?^\1$/gm, '');
    expect(outside).not.toMatch(/<script/);
    expect(outside).not.toMatch(/^# mark/m);
  });

  it('end no block of code: the fence is longer than what is in it', () => {
    const patch = { pytorch: '```\n# out', keras: '', tfjs: '' };
    const text = renderTreatmentMarkdown(improved({ patches: [{ remedy: 'a', title: 'b', patch }] }));
    expect(text).toContain('````python\n```\n# out\n````');
  });

  it('keep code as it is but for what hides', () => {
    expect(cleanCode('a:\n\tb  c\u202e \n')).toBe('a:\n    b  c\\u{202e}\n');
  });
});

describe('the other forms', () => {
  it('gives JSON its keys, and numbers that are none as strings', () => {
    const treatment = improved();
    const [first, ...rest] = treatment.ranking!.judgements;
    const judgements = [{ ...first!, heldOutLoss: Number.POSITIVE_INFINITY, decades: Number.NaN }, ...rest];
    const json = JSON.parse(renderTreatmentJson({ ...treatment, ranking: { ...treatment.ranking!, judgements } }));
    expect(json.schema).toBe(TREATMENT_SCHEMA);
    expect(json.plans[0]).toMatchObject({ plan: 'use-relu', loss: 'Infinity', measuredDecades: 'NaN' });
    expect(json.winner).toMatchObject({
      plan: 'use-relu',
      decades: { before: -6.1, after: -0.1 },
      model: { path: 'net.treated.onnx', weights: 'starting' },
    });
    expect(json.patches[0].patch.keras).toBe('pass');
    expect(json.results).toHaveLength(7);
    expect(json.results[0].training).toEqual({ steps: expect.any(Array), loss: [2.3, 1, 0.35] });
    expect(json.before.schema).toBe('gradient-doctor/report@1');
    expect(json.others).toHaveLength(3);
  });

  it('stays within a GitHub comment, however much there is', () => {
    const plans = Array.from({ length: 3000 }, (_, i) => plan(`use-relu-${i}`));
    const code = 'x = 1\n'.repeat(30_000);
    const patches = [{ remedy: 'a', title: 'b', patch: { pytorch: code, keras: '', tfjs: '' } }];
    const text = renderTreatmentMarkdown(improved({ plans, patches, command: 'x'.repeat(100_000) }));
    expect(text.length).toBeLessThanOrEqual(65_536);
    expect(text).toContain('too long for a comment');
  });

  it('shows the code of the frameworks asked for', () => {
    const page = renderTreatmentHtml(improved(), { frameworks: ['tfjs'] });
    expect(page).toContain('TensorFlow.js');
    expect(page).not.toContain('PyTorch');
  });
});
