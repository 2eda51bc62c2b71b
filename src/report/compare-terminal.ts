import type { Comparison, Side } from './compare.ts';
import { nearer } from './compare.ts';
import type { LayerPair } from './compare-layers.ts';
import { factorName, pickPairs, sayChange } from './compare-words.ts';
import { counted, showCount, showDecades, showNumber, showSize } from './numbers.ts';
import { Page, type TerminalOptions } from './page.ts';
import { padTo, widthOf } from './text.ts';

const FIGURE = 7;
const CHANGE = 12;
const UPDATE = 8;
const NARROWEST_NAME = 12;
/** On narrower pages names need the room; what changed can be read off the two figures. */
const NARROWEST_WITH_CHANGE = 50;

export interface ComparisonOptions extends TerminalOptions {
  /** Every layer instead of about 30. */
  readonly allLayers?: boolean;
}

/** The comparison for people: which is better first, then how they differ. No line is wider than `columns`. */
export function renderComparison(comparison: Comparison, options: ComparisonOptions = {}): string {
  const page = new Page(options);
  const { outcome, sentence, a, b, notes } = comparison;
  const { green, red, yellow, bold } = page.paint;
  const paint = { better: green, same: green, worse: red, mixed: yellow }[outcome];
  page.lead({ better: '✓', same: '=', worse: '✗', mixed: '!' }[outcome], sentence, (text) => bold(paint(text)));
  page.gap();
  describeSide(page, 'a', a);
  describeSide(page, 'b', b);
  page.gap();
  drawFigures(page, comparison);
  page.gap();
  listFindings(page, comparison);
  page.gap();
  drawLayers(page, comparison, options.allLayers === true);
  page.gap();
  for (const note of notes) page.text(`note: ${note}`, page.paint.dim);
  return page.toString();
}

function describeSide(page: Page, name: string, side: Side): void {
  const { red, yellow, green, dim } = page.paint;
  const paint = side.severity === 'error' ? red : side.severity === 'warning' ? yellow : green;
  const mark = side.severity === 'error' ? '✗' : side.severity === 'warning' ? '!' : '✓';
  const facts = `${counted(side.layers, 'layer')}, ${counted(side.parameters, 'parameter')}`;
  page.field(name, `${page.name(side.label, page.width)}`);
  page.field('', `${mark} ${side.verdict}`, paint);
  page.field('', `${facts}; ${side.data}`, dim);
}

/** Rows of a figure in a, in b, and what that means. */
function drawFigures(page: Page, { a, b, byKind }: Comparison): void {
  const rows: [string, string, string, string][] = [
    [
      'first layer',
      showDecades(a.totalDecades),
      showDecades(b.totalDecades),
      sayChange(a.totalDecades, b.totalDecades),
    ],
    ...byKind.map(({ kind, a: from, b: to }): [string, string, string, string] => {
      return [`  ${factorName(kind)}`, showDecades(from), showDecades(to), showDecades(to - from)];
    }),
    ['loss', showNumber(a.loss), showNumber(b.loss), ''],
    ['parameters', showCount(a.parameters), showCount(b.parameters), ''],
  ];
  const figure = rows.reduce((most, row) => Math.max(most, widthOf(row[1]), widthOf(row[2])), FIGURE);
  const told = page.width >= NARROWEST_WITH_CHANGE;
  const room = page.width - 2 * (figure + 2) - (told ? CHANGE + 2 : 0);
  const name = Math.max(NARROWEST_NAME, Math.min(26, room));
  const line = (cells: readonly string[]) => {
    const [title = '', from = '', to = '', change = ''] = cells.map((cell) => page.clean(cell));
    // Leading blanks tell parts from their sum.
    const indent = cells[0]!.startsWith('  ') ? '  ' : '';
    const label = padTo(indent + page.name(title.trim(), name - indent.length), name);
    const figures = [from, to].map((cell) => padTo(cell, figure, 'right'));
    return [label, ...figures, ...(told ? [change] : [])].join('  ').trimEnd();
  };
  page.raw(page.paint.dim(line(['decades', 'a', 'b', ''])));
  for (const row of rows) page.raw(line(row));
}

function listFindings(page: Page, { findings }: Comparison): void {
  const { red, green, yellow, dim } = page.paint;
  if (findings.length === 0) page.text('no findings in either', dim);
  for (const { rule, change, a, b } of findings) {
    const severity = (b ?? a)!.severity;
    const was = a && b && a.severity !== b.severity ? `${a.severity} → ${b.severity}` : severity;
    const bad = change === 'new' || change === 'worse';
    const paint = change === 'same' ? dim : bad ? (severity === 'error' ? red : yellow) : green;
    page.field(change, `${rule} (${was}): ${(b ?? a)!.title}`, severity === 'info' ? dim : paint);
  }
}

function drawLayers(page: Page, { layers, tolerance }: Comparison, all: boolean): void {
  if (layers.length === 0) return;
  const { dim, red, green } = page.paint;
  const rows = pickPairs(layers, all ? Number.POSITIVE_INFINITY : undefined);
  const told = page.width >= NARROWEST_WITH_CHANGE;
  const fixed = 2 * (FIGURE + 2) + (told ? 2 + CHANGE : 0);
  const longest = rows.reduce((most, row) => ('hidden' in row ? most : Math.max(most, widthOf(nameOf(page, row)))), 5);
  const updates = page.width - fixed - 2 * (UPDATE + 2) >= Math.min(longest, 24);
  const width = Math.max(6, Math.min(longest, page.width - fixed - (updates ? 2 * (UPDATE + 2) : 0)));
  const cells = (name: string, from: string, to: string, change: string, updateA: string, updateB: string) =>
    [
      padTo(name, width),
      padTo(page.clean(from), FIGURE, 'right'),
      padTo(page.clean(to), FIGURE, 'right'),
      ...(told ? [padTo(change, CHANGE)] : []),
      ...(updates ? [padTo(updateA, UPDATE, 'right'), padTo(updateB, UPDATE, 'right')] : []),
    ]
      .join('  ')
      .trimEnd();
  page.raw(dim(cells(page.name('layer', width), 'a', 'b', '', 'update a', 'update b')));
  let hinted = false;
  for (const row of rows) {
    if ('hidden' in row) {
      const hint = hinted ? '' : ' (--all-layers shows them)';
      page.text(`⋮ ${counted(row.hidden, 'layer')} not shown${hint}`, dim);
      hinted = true;
      continue;
    }
    const { a, b } = row;
    const change = a && b ? sayChange(a.decades, b.decades) : a ? 'only in a' : 'only in b';
    const figure = (layer: typeof a) => (layer ? showDecades(layer.decades) : '');
    const update = (layer: typeof a) =>
      layer?.updateRatio === undefined ? '' : page.clean(showSize(layer.updateRatio));
    const line = cells(page.path(nameOf(page, row), width), figure(a), figure(b), change, update(a), update(b));
    const by = a && b ? nearer(a.decades, b.decades) : 0;
    page.raw(Math.abs(by) > tolerance ? (by > 0 ? green : red)(line) : line);
  }
}

function nameOf(page: Page, { a, b }: LayerPair): string {
  const names = [...new Set([a, b].flatMap((layer) => (layer ? [layer.layer] : [])))];
  return page.clean(names.join(' → '));
}
