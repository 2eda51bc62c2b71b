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

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  install();
  build();
  writeFileSync(new URL('docs/operators.md', `${pathToFileURL(root).href}/`), await operatorsPage());
}
