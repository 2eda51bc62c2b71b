import type { Example, ExplainedTopic, Explanation, Topic, TopicFamily } from './explanation.ts';
import { topicFamilies } from './explanation.ts';
import { Page, type TerminalOptions } from './page.ts';
import { drawPlot } from './plot.ts';
import { drawTable } from './table.ts';
import { padTo, widthOf, wrap } from './text.ts';

const ROWS = 12;
const NAME = 26;

/** An explanation for people. No line is wider than `columns` (40 at least, 100 at most). */
export function renderExplanation(explanation: Explanation, options: TerminalOptions = {}): string {
  const page = new Page(options);
  const brief = explanation.comparison !== undefined;
  explanation.topics.forEach((explained, i) => {
    if (i > 0) page.gap();
    writeTopic(page, explained, brief);
  });
  if (explanation.comparison) {
    page.gap();
    writeExample(page, explanation.comparison);
  }
  return page.toString();
}

/** All topics by family, one line each. */
export function renderTopics(topics: readonly Topic[], options: TerminalOptions = {}): string {
  const page = new Page(options);
  const { bold, dim } = page.paint;
  for (const family of Object.keys(topicFamilies) as TopicFamily[]) {
    page.gap();
    page.text(topicFamilies[family], bold);
    for (const { id, summary } of topics.filter((topic) => topic.family === family)) {
      if (page.width >= 60) page.raw(`  ${padTo(id, NAME)} ${inOneLine(page.clean(summary), page.width - NAME - 3)}`);
      else {
        page.raw(`  ${id}`);
        hang(page, '    ', summary, dim);
      }
    }
  }
  page.gap();
  page.text('gradient-doctor explain <topic>, or several to compare them', dim);
  return page.toString();
}

/** A sentence in at most `width` cells: without its last clauses where they do not fit, or up to a whole word. */
function inOneLine(sentence: string, width: number): string {
  if (widthOf(sentence) <= width) return sentence;
  const clauses = [...sentence.matchAll(/[:;,](?= )/g)].map(({ index }) => sentence.slice(0, index));
  const fitting = clauses.filter((clause) => widthOf(clause) <= width && clause.length > 12);
  return fitting.at(-1) ?? wrap(sentence, width)[0]!;
}

function writeTopic(page: Page, { topic, example }: ExplainedTopic, brief: boolean): void {
  const { bold, dim } = page.paint;
  page.lead(`${topic.id}  `, topic.title === topic.id ? topic.summary : topic.title, bold);
  if (brief) page.text(topic.summary);
  else {
    for (const paragraph of topic.what) {
      page.gap();
      page.text(paragraph);
    }
  }
  page.gap();
  writeFormulas(page, topic, brief);
  if (brief) return;
  if (topic.facts.length > 0) page.gap();
  topic.facts.forEach(({ label, text }, i) => {
    page.field(topic.facts[i - 1]?.label === label ? '' : label, text);
  });
  if (example) {
    page.gap();
    writeExample(page, example);
  }
  page.gap();
  topic.references.forEach((reference, i) => {
    page.field(i === 0 ? 'references' : '', reference, dim);
  });
  if (topic.see.length > 0) page.field('see also', topic.see.join(', '), dim);
  if (topic.aliases.length > 0) page.field('also', topic.aliases.join(', '), dim);
}

function writeFormulas(page: Page, { formulas }: Topic, brief: boolean): void {
  const named = new Set<string>();
  const widest = formulas.flatMap(({ symbols }) => Object.keys(symbols).map((symbol) => widthOf(page.clean(symbol))));
  const column = Math.min(16, Math.max(0, ...widest));
  for (const { text, symbols } of formulas) {
    hang(page, '  ', text, page.paint.bold);
    if (brief) continue;
    for (const [symbol, meaning] of Object.entries(symbols)) {
      // The same symbol of a second formula needs no second line.
      if (named.has(symbol)) continue;
      named.add(symbol);
      hang(page, `    ${padTo(page.clean(symbol), column)}  `, meaning);
    }
  }
}

/** A text that begins after `start` and goes on under itself. */
function hang(page: Page, start: string, text: string, paint = (line: string) => line): void {
  const indent = ' '.repeat(widthOf(start));
  wrap(page.clean(text), page.width - indent.length).forEach((line, i) => {
    page.raw((i === 0 ? start : indent) + paint(line));
  });
}

function writeExample(page: Page, { setup, plots, tables, conclusions }: Example): void {
  page.field('computed', setup, page.paint.dim);
  for (const plot of plots) {
    page.gap();
    for (const line of drawPlot(plot, { width: page.width, unicode: page.unicode, rows: ROWS })) {
      page.raw(line);
    }
  }
  for (const table of tables) {
    page.gap();
    drawTable(page, table);
  }
  if (conclusions.length > 0) page.gap();
  for (const conclusion of conclusions) hang(page, '- ', conclusion);
}
