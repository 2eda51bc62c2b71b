// The pages: one for each paper, and the table of them all.
const cell = (value) =>
  String(value)
    .replace(/(?<=^|\s)-(?=\d)/g, '−')
    .replaceAll('|', '\\|');
const line = (cells) => `| ${cells.map(cell).join(' | ')} |`;
const table = (head, rows) => [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');

const counted = ({ outcome, checks }) =>
  `${outcome}: ${checks.filter(({ holds }) => holds).length} of ${checks.length}`;

/** The page of one paper: its claim, what was measured beside it, the numbers behind. */
export function paperPage(paper, { rows, verdict, seconds, settings }) {
  const checks = verdict.checks.map(({ statement, measured, relation, limit, holds, margin }) => [
    statement,
    measured,
    `${relation} ${cell(limit)}`,
    holds ? 'yes' : '**no**',
    margin,
  ]);
  const setup = Object.entries(settings)
    .filter(([, value]) => typeof value !== 'object' || Array.isArray(value))
    .map(([name, value]) => `${name} ${Array.isArray(value) ? value.join(', ') : value}`);
  const columns = Object.entries(paper.columns);
  return `# ${paper.title}

[${paper.citation}](${paper.url})

**The claim.** ${paper.claim}

**Here.** ${paper.difference}

**The verdict: ${counted(verdict)}.**

${table(['what was measured', 'value', 'expected', 'holds', 'margin'], checks)}

![${paper.title}](picture.svg)

${table(
  columns.map(([name]) => name),
  rows.map((row) => columns.map(([, of]) => of(row))),
)}

Settings: ${setup.join('; ')}.${seconds === undefined ? '' : ` ${Math.round(seconds)} s of processor time.`} All numbers: [results.json](results.json). Again: \`npm run papers -- ${paper.id}\`.
`;
}

/** The table of all papers. */
export function overview(entries) {
  const rows = entries.map(([paper, { verdict, seconds }]) => [
    `[${paper.title}](${paper.id}/README.md)`,
    paper.byline,
    `${verdict.outcome}, ${verdict.checks.filter(({ holds }) => holds).length} of ${verdict.checks.length}`,
    seconds === undefined ? '' : Math.round(seconds),
  ]);
  const missed = entries.flatMap(([paper, { verdict }]) =>
    verdict.checks
      .filter(({ holds }) => !holds)
      .map(
        ({ statement, measured, relation, limit }) =>
          `- [${paper.id}](${paper.id}/README.md): ${statement}: measured ${cell(measured)}, expected ${relation} ${cell(limit)}.`,
      ),
  );
  return `# Published results, reproduced

Each paper's claim is split into statements with a number and a limit, and measured with this library on MNIST digits or a built-in task. The limits stand in the code; what held was computed.

    npm run papers                    all of them
    npm run papers -- he-2015         one
    npm run papers -- --draw          pages and pictures again, from the numbers kept

${table(['what', 'paper', 'verdict', 'processor seconds'], rows)}
${missed.length === 0 ? '' : `\nWhat did not hold:\n\n${missed.join('\n')}\n`}`;
}
