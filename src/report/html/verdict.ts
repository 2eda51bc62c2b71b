import type { Finding, Verdict } from '../../diagnosis/finding.ts';
import { type FactorKind, factorKinds } from '../../flow/kinds.ts';
import { layerRows, leadingRows } from '../layer-rows.ts';
import { counted, showDecades, showNumber, showSize } from '../numbers.ts';
import { reasonFor } from '../reasons.ts';
import type { ReportSubject } from '../subject.ts';
import { kindsOf, mainFinding, sayReach, sayWhatSkipsCarry, sayWorstLayers } from '../summary.ts';
import { html, type Markup } from './escape.ts';
import { name } from './figure.ts';
import { minus, powerText } from './svg.ts';
import { raised, sentence } from './words.ts';

/** Verdicts in plain words. */
const words: Readonly<Record<Verdict, { title: string; meaning: string }>> = {
  healthy: {
    title: 'The gradient flows',
    meaning: 'Every layer receives a gradient it can learn from.',
  },
  vanishing: {
    title: 'The gradient vanishes',
    meaning:
      'It shrinks on its way back through the network: the layers near the input are told almost nothing about the error, and hardly learn.',
  },
  exploding: {
    title: 'The gradient explodes',
    meaning:
      'It grows on its way back through the network: the layers near the input get updates far too large, and training becomes unstable or breaks.',
  },
  'non-finite': {
    title: 'The numbers break down',
    meaning:
      'Somewhere a result is infinite or not a number. Everything computed from it is lost, and training cannot go on.',
  },
  dead: {
    title: 'Units are dead',
    meaning:
      'They answer zero to every sample: nothing passes through them, forward or back, and they cannot recover by themselves.',
  },
  problem: { title: 'There is a problem', meaning: '' },
};

/** What a verdict means where it is about time, not depth. */
const throughTime: Partial<Record<Finding['rule'], string>> = {
  'vanishing-through-time':
    'It shrinks from each time step to the one before: what happened early in a sequence teaches the network nothing.',
  'exploding-through-time':
    'It grows from each time step to the one before: updates become far too large, and training becomes unstable or breaks.',
};

/** Verdict, reason, next step: what the page says at a glance. */
export function verdictSection(subject: ReportSubject): Markup {
  const { diagnosis } = subject;
  const main = mainFinding(subject);
  const isError = main?.severity === 'error';
  const isWarning = main?.severity === 'warning';
  const verdict = isError && diagnosis.verdict === 'healthy' ? 'problem' : diagnosis.verdict;
  const tone = isError ? 'error' : isWarning ? 'warning' : 'good';
  const { title, meaning } = isWarning ? { title: 'Worth a look', meaning: '' } : words[verdict];
  const explained = (main && throughTime[main.rule]) ?? meaning;
  const mark = { error: '✗', warning: '!', good: '✓' }[tone];
  return html`<section id="verdict" class="verdict ${tone}" aria-labelledby="verdict-h"><h2 id="verdict-h"><span class="sign" aria-hidden="true">${mark}</span>${title}</h2><p class="headline">${raised(sentence(main?.title ?? sayReach(diagnosis), main?.where ?? []))}</p>${explained !== '' && html`<p>${explained}</p>`}${glance(subject)}${main && why(subject, main)}${tryNext(main)}</section>
`;
}

function glance(subject: ReportSubject): Markup {
  const { profile, diagnosis, model } = subject;
  const rows = leadingRows(layerRows(subject));
  const first = rows.at(-1);
  const total = diagnosis.attribution?.totalDecades;
  const layers = profile.layers.filter((layer) => layer.mixes).length || profile.layers.length;
  const tiles: [Markup | string, string][] = [
    ...(total === undefined
      ? []
      : [
          [
            Number.isFinite(total) ? powerText(showDecades(total).replace('+', '')) : minus(showDecades(total)),
            "of the output's gradient reaches the first layer",
          ] as [Markup | string, string],
        ]),
    ...(first?.updateRatio === undefined
      ? []
      : [[showSize(first.updateRatio), `of ${first.name}'s weights change in one step`] as [string, string]]),
    [showNumber(profile.loss), 'loss on this batch'],
    [String(layers), `${layers === 1 ? 'layer' : 'layers'}, ${counted(model.parameters, 'parameter')}`],
  ];
  return html`<dl class="tiles">${tiles.map(([figure, text]) => html`<div><dt>${text}</dt><dd>${figure}</dd></div>`)}</dl>`;
}

function why(subject: ReportSubject, main: Finding): Markup {
  const { diagnosis, profile } = subject;
  const timed = main.rule in throughTime;
  const kinds = timed ? causesOf(main) : main.causes.length > 0 ? kindsOf(diagnosis.attribution) : [];
  const sign = Math.sign(diagnosis.attribution?.totalDecades ?? 0);
  const dominant = kinds.find(([, decades]) => Math.sign(decades) === sign) ?? kinds[0];
  const largest = Math.max(1e-9, ...kinds.map(([, decades]) => Math.abs(decades)));
  const bars = kinds.map(([kind, decades]) => {
    const side = decades < 0 ? 'minus' : 'plus';
    const reason = !timed && kind === dominant?.[0] ? reasonFor(kind, decades, profile) : '';
    return html`<tr><th scope="row">${factorKinds[kind]}</th><td class="n">${minus(showDecades(decades))}</td><td class="meter" aria-hidden="true"><span class="${side}" style="width:${((100 * Math.abs(decades)) / largest).toFixed(1)}%"></span></td><td>${reason}</td></tr>`;
  });
  const evenly = !timed && kinds.length > 0 ? sayWorstLayers(diagnosis.attribution!, sign) : '';
  const skips = sayWhatSkipsCarry(subject);
  const blocked = diagnosis.attribution?.blockedBy.slice(0, 3) ?? [];
  return html`<h3>Why</h3>${kinds.length > 0 && html`<table class="why"><caption>decades (powers of ten) that each kind of factor took or added</caption><tbody>${bars}</tbody></table>`}${main.explanation !== '' && html`<p>${sentence(main.explanation, main.where)}</p>`}${evenly !== '' && html`<p>${sentence(evenly, [])}.</p>`}${skips !== undefined && html`<p>${sentence(skips, [])}.</p>`}${blocked.length > 0 && html`<p>Blocked at ${blocked.map(({ node, op }, i) => html`${i > 0 && ', '}${name(node)} (${op})`)}.</p>`}<p class="small">This rests on: ${main.basis}.</p>`;
}

/** The causes of a finding as kinds of factors with their decades. */
function causesOf({ causes }: Finding): [FactorKind, number][] {
  return causes.flatMap(({ kind, decades }): [FactorKind, number][] =>
    kind in factorKinds ? [[kind as FactorKind, decades]] : [],
  );
}

function tryNext(main: Finding | undefined): Markup {
  if (!main || (main.remedies.length === 0 && !main.relief)) return html``;
  const { relief, remedies } = main;
  const items = remedies.map(
    ({ id, action, changes }) =>
      html`<li><code>${id}</code> ${action} <span class="soft">(changes ${changes})</span></li>`,
  );
  return html`<h3>What to try</h3>${relief && html`<p>${raised(sentence(relief.sentence, []))}</p>`}<ol class="remedies">${items}</ol>`;
}
