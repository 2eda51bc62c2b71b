import type { Example, ExplainedTopic, Explanation, Topic, TopicFamily } from './explanation.ts';
import { topicFamilies } from './explanation.ts';
import { codeBlock, escapeMarkdown, markdownTable } from './markdown-text.ts';
import { drawPlot } from './plot.ts';
import { showCell } from './table.ts';

const WIDTH = 76;
/** Marks of what was computed: a page without these parts is the same on every machine. */
export const COMPUTED = { begin: '<!-- computed -->', end: '<!-- end of computed -->' };

/** An explanation in Markdown; plots are drawn in blocks of code. */
export function renderExplanationMarkdown(explanation: Explanation): string {
  const parts = explanation.topics.flatMap((explained) => topicLines(explained, '##'));
  if (explanation.comparison) parts.push('## Side by side', ...exampleLines(explanation.comparison));
  return `${parts.join('\n\n')}\n`;
}

/** All topics by family. */
export function renderTopicsMarkdown(topics: readonly Topic[]): string {
  const families = Object.keys(topicFamilies) as TopicFamily[];
  const lines = families.flatMap((family) => {
    const rows = topics.filter((topic) => topic.family === family);
    return [
      `## ${topicFamilies[family]}`,
      markdownTable(
        ['topic', ''],
        rows.map(({ id, summary }) => [`\`${id}\``, escapeMarkdown(summary)]),
      ),
    ];
  });
  return `${lines.join('\n\n')}\n`;
}

/** A page of documentation: every topic of a family, with or without examples. */
export function renderFamilyPage(title: string, lead: string, topics: readonly ExplainedTopic[]): string {
  const links = topics.map(({ topic }) => [`[${topic.id}](#${topic.id})`, escapeMarkdown(topic.summary)]);
  const parts = topics.flatMap((explained) => topicLines(explained, '##'));
  return `${[`# ${title}`, lead, markdownTable(['topic', ''], links), ...parts].join('\n\n')}\n`;
}

function topicLines({ topic, example }: ExplainedTopic, heading: string): string[] {
  return [
    `${heading} ${topic.id}`,
    `**${escapeMarkdown(topic.title)}**`,
    ...topic.what.map((paragraph) => escapeMarkdown(paragraph)),
    ...topic.formulas.flatMap(({ text, symbols }) => [
      codeBlock(text, 'text'),
      Object.entries(symbols)
        .map(([symbol, meaning]) => `- ${escapeMarkdown(symbol)}: ${escapeMarkdown(meaning)}`)
        .join('\n'),
    ]),
    ...(topic.facts.length > 0
      ? [topic.facts.map(({ label, text }) => `- ${label}: ${escapeMarkdown(text)}`).join('\n')]
      : []),
    ...(example ? [COMPUTED.begin, ...exampleLines(example), COMPUTED.end] : []),
    ...(topic.references.length > 0
      ? [`References:\n\n${topic.references.map((text) => `- ${escapeMarkdown(text)}`).join('\n')}`]
      : []),
    ...(topic.see.length > 0 ? [`See also: ${topic.see.join(', ')}.`] : []),
  ];
}

function exampleLines({ setup, plots, tables, conclusions }: Example): string[] {
  const drawn = plots.map((plot) => codeBlock(drawPlot(plot, { width: WIDTH, unicode: true }).join('\n'), 'text'));
  const shown = tables.flatMap(({ caption, columns, rows }) => {
    const numeric = columns.flatMap((_, i) => (rows.some((row) => typeof row[i] === 'object') ? [i] : []));
    const cells = rows.map((row) => row.map((one) => escapeMarkdown(showCell(one))));
    const table = markdownTable(
      columns.map((title) => escapeMarkdown(title)),
      cells,
      numeric,
    );
    return caption === undefined ? [table] : [escapeMarkdown(caption), table];
  });
  const points = conclusions.map((conclusion) => `- ${escapeMarkdown(conclusion)}`).join('\n');
  return [`Computed: ${escapeMarkdown(setup)}.`, ...drawn, ...shown, ...(points === '' ? [] : [points])];
}
