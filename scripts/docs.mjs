// `npm run docs`: writes the pages that are made from code. A test holds them to it.
import { writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { build, install, root } from './steps.mjs';

/** docs/operators.md: every operator of the standard and what its gradient is here. */
export async function operatorsPage() {
  const { differentiable } = await import('../dist/autodiff/gradients/index.js');
  const { zeroOnPurpose } = await import('../dist/autodiff/gradients/zero.js');
  const { unsupported } = await import('../dist/autodiff/gradients/unsupported.js');
  const names = (table) => Object.keys(table).sort((a, b) => (a < b ? -1 : 1));
  const rows = (table) => names(table).map((name) => `| ${name} | ${table[name].replaceAll('|', '\\|')} |`);
  return [
    '# Operators',
    '',
    'Every operator of the ONNX standard stands in exactly one of three tables. `npm run docs` writes this page from them.',
    '',
    `## Differentiable (${names(differentiable).length})`,
    '',
    `${names(differentiable).join(', ')}.`,
    '',
    `## Zero on purpose (${names(zeroOnPurpose).length})`,
    '',
    'The derivative is zero by mathematics: gradient stops here without an error.',
    '',
    '| operator | why |',
    '|---|---|',
    ...rows(zeroOnPurpose),
    '',
    `## Not supported (${names(unsupported).length})`,
    '',
    'An error only where such an operator stands between the loss and what is differentiated.',
    '',
    '| operator | why |',
    '|---|---|',
    ...rows(unsupported),
    '',
  ].join('\n');
}

/** Pages of `explain`'s topics: file name → family, title, first paragraph. */
const pages = {
  'concepts.md': ['concept', 'Concepts', 'What rules, remedies and reports speak of.'],
  'rules.md': [
    'rule',
    'Rules',
    'What `diagnose` looks for: each with a network that has the problem and one that has not.',
  ],
  'remedies.md': ['remedy', 'Remedies', 'What can be done: each with a network before it and after it.'],
  'activations.md': [
    'activation',
    'Activations',
    'Each with its derivative, and the gradient through ten layers of it.',
  ],
  'initializers.md': [
    'initializer',
    'Initializers',
    'Each with the weights it draws, and what they do to signal and gradient.',
  ],
  'optimizers.md': ['optimizer', 'Optimizers', 'Each in the valley L = ½ (w₁² + 25 w₂²).'],
};

const note =
  'The same as `gradient-doctor explain <topic>` says. `npm run docs` writes this page; what is marked as computed comes from the engine.';

/** The pages of all topics, by file name; without examples in a second, with them in a minute or two. */
export async function topicPages({ examples = true } = {}) {
  const { explain, listTopics } = await import('../dist/node.js');
  const { renderFamilyPage } = await import('../dist/report/explanation-markdown.js');
  const written = new Map();
  for (const [file, [family, title, lead]] of Object.entries(pages)) {
    const explained = [];
    for (const { id } of listTopics().filter((topic) => topic.family === family)) {
      const { topics } = await explain([id], { examples });
      explained.push(...topics);
    }
    written.set(file, renderFamilyPage(title, `${lead} ${note}`, explained));
  }
  return written;
}

/** A page without what was computed. */
export function withoutNumbers(page) {
  return page.replaceAll(/<!-- computed -->.*?<!-- end of computed -->\n\n/gs, '');
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  install();
  build();
  const write = (file, text) => writeFileSync(new URL(`docs/${file}`, `${pathToFileURL(root).href}/`), text);
  write('operators.md', await operatorsPage());
  for (const [file, text] of await topicPages()) write(file, text);
}
