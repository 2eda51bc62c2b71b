import type { Comparison, Side } from './compare.ts';
import { factorName, pickPairs, sayChange } from './compare-words.ts';
import { LONGEST_COMMENT, marks } from './markdown.ts';
import { codeName, escapeMarkdown, folded, markdownTable } from './markdown-text.ts';
import { counted, showCount, showDecades, showNumber, showSize } from './numbers.ts';

const MOST_OPEN_ROWS = 12;
const outcomes = { better: '✅', same: '🟰', worse: '❌', mixed: '⚠️' };
/** Layers, findings, characters of a sentence: where a comment would be too long, the next level is tried. */
const levels = [
  { layers: 100, findings: 30, text: 1000 },
  { layers: 30, findings: 10, text: 400 },
  { layers: 12, findings: 5, text: 200 },
] as const;

type Level = (typeof levels)[number];

/** The comparison as GitHub's Markdown, fit for a comment on a pull request: at most 65 536 characters. */
export function renderComparisonMarkdown(comparison: Comparison): string {
  let text = '';
  for (const level of levels) {
    text = renderAt(comparison, level);
    if (text.length <= LONGEST_COMMENT) return text;
  }
  return `### ${outcomes[comparison.outcome]} ${escapeMarkdown(comparison.sentence, 200)}\n`;
}

function renderAt(comparison: Comparison, level: Level): string {
  const { outcome, sentence, notes } = comparison;
  const sections = [
    `### ${outcomes[outcome]} ${escapeMarkdown(sentence, level.text)}`,
    figures(comparison, level),
    findings(comparison, level),
    layers(comparison, level),
    notes.map((note) => `- note: ${escapeMarkdown(note, level.text)}`).join('\n'),
  ];
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`;
}

function figures({ a, b, byKind }: Comparison, { text }: Level): string {
  const verdict = ({ severity, verdict: word }: Side) =>
    `${severity === undefined || severity === 'info' ? '✅' : marks[severity]} ${escapeMarkdown(word)}`;
  const both = (title: string, show: (side: Side) => string) => [title, show(a), show(b), ''];
  const rows = [
    both('model', ({ label }) => codeName(label)),
    both('verdict', verdict),
    [
      'decades to the first layer',
      showDecades(a.totalDecades),
      showDecades(b.totalDecades),
      sayChange(a.totalDecades, b.totalDecades),
    ],
    ...byKind
      .slice(0, 20)
      .map(({ kind, a: x, b: y }) => [
        escapeMarkdown(factorName(kind), 80),
        showDecades(x),
        showDecades(y),
        showDecades(y - x),
      ]),
    both('loss', ({ loss }) => showNumber(loss)),
    both('layers', ({ layers: count }) => showCount(count)),
    both('parameters', ({ parameters }) => showCount(parameters)),
    both('data', ({ data }) => escapeMarkdown(data, text)),
    both('batch, seed', ({ batch, seed }) => `${batch}, ${seed}`),
  ];
  return markdownTable(['', 'a', 'b', ''], rows, [1, 2]);
}

function findings({ findings: changes }: Comparison, { findings: most, text }: Level): string {
  const items = changes.slice(0, most).map(({ rule, change, a, b }) => {
    const severity = (b ?? a)!.severity;
    const was = a && b && a.severity !== b.severity ? `${a.severity} → ${b.severity}` : severity;
    const mark = change === 'gone' || change === 'better' ? '✅' : change === 'same' ? '🟰' : marks[severity];
    return `- ${mark} **${change}** ${codeName(rule)} (${was}): ${escapeMarkdown((b ?? a)!.title, text)}`;
  });
  const more = changes.length - items.length;
  if (more > 0) items.push(`- and ${counted(more, 'more finding')}: \`--format json\` has all`);
  return items.length === 0 ? 'No findings in either.' : items.join('\n');
}

function layers({ layers: pairs }: Comparison, { layers: most }: Level): string {
  if (pairs.length === 0) return '';
  const rows = pickPairs(pairs, most).map((row) => {
    if ('hidden' in row) return [`_${counted(row.hidden, 'layer')} not shown_`, '', '', '', '', ''];
    const { a, b } = row;
    const names = [...new Set([a, b].flatMap((layer) => (layer ? [layer.layer] : [])))].map((name) => codeName(name));
    const change = a && b ? sayChange(a.decades, b.decades) : `only in ${a ? 'a' : 'b'}`;
    const update = (layer: typeof a) => (layer?.updateRatio === undefined ? '' : showSize(layer.updateRatio));
    const decades = (layer: typeof a) => (layer ? showDecades(layer.decades) : '');
    return [names.join(' → '), decades(a), decades(b), change, update(a), update(b)];
  });
  const columns = ['layer', 'decades a', 'decades b', '', 'update / weight a', 'update / weight b'];
  const table = markdownTable(columns, rows, [1, 2, 4, 5]);
  const title = `${counted(pairs.length, 'layer')}, from output to input`;
  return pairs.length > MOST_OPEN_ROWS ? folded(title, table) : table;
}
