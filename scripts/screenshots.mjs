// Pictures of HTML reports in Chromium, to be looked at: shallow and deep networks, light, dark, on a phone and as PDF.
//   npm run screenshots [-- --to DIR] [--only NAME,...] [--model FILE[=DATA]]... [--from COMPILED]
//   npm run screenshots -- --only sigmoid10 --readme docs/images/report.png
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';
import { build, install, root } from './steps.mjs';

const { values: options } = parseArgs({
  options: {
    to: { type: 'string', default: join(root, 'build', 'screenshots') },
    only: { type: 'string' },
    model: { type: 'string', multiple: true, default: [] },
    from: { type: 'string' },
    readme: { type: 'string' },
    browser: { type: 'string', default: process.env.CHROMIUM ?? '/usr/bin/chromium' },
  },
});
mkdirSync(options.to, { recursive: true });
if (options.from === undefined) {
  install();
  build();
}
const { diagnose, renderHtml } = await import(
  pathToFileURL(join(resolve(options.from ?? join(root, 'dist')), 'node.js')).href
);

const mlp = (depth, activation, init, units = 64) => ({
  name: `${activation}-${depth}`,
  input: 784,
  layers: [{ dense: { units, activation, repeat: depth - 1, name: 'hidden' } }, { dense: { units: 10, name: 'out' } }],
  init,
  loss: 'cross-entropy',
});
const example = (file, more) =>
  diagnose(join(root, 'examples', file), { command: `gradient-doctor diagnose examples/${file}`, ...more });
const spec = (network, more) => {
  const file = join(options.to, `${network.name}.json`);
  writeFileSync(file, JSON.stringify(network));
  return diagnose(file, {
    data: 'mnist',
    command: `gradient-doctor diagnose ${network.name}.json --data mnist`,
    ...more,
  });
};

/** Every name of a report's subject replaced by something a stranger could call a layer. */
function renamed(subject) {
  const names = [
    '<script>alert(1)</script>',
    `"quoted" & 'single' | pipe`,
    'name\u202ewith\u202cmarks\nand\tbreaks',
    'שכבה נסתרת',
    '畳み込み層',
    `${'very.long.'.repeat(50)}name`,
  ];
  const places = new Map();
  const text = JSON.stringify(subject, (_, value) =>
    typeof value === 'number' && !Number.isFinite(value) ? `\u0000${value}` : value,
  );
  return JSON.parse(text, (_, value) => {
    if (typeof value !== 'string') return value;
    if (value.startsWith('\u0000')) return Number(value.slice(1));
    return value.replace(/hidden\.\d+|\bout\b/g, (name) => {
      if (!places.has(name))
        places.set(name, names[places.size % names.length] + (places.size < names.length ? '' : places.size));
      return places.get(name);
    });
  });
}

const cases = {
  'layers-5': () => spec(mlp(5, 'relu', 'he')),
  'layers-50': () => spec(mlp(50, 'sigmoid', 'glorot-uniform')),
  'layers-300': () => spec(mlp(300, 'tanh', 'glorot-uniform', 32)),
  exploding: () => spec(mlp(30, 'relu', { he: 2 })),
  sigmoid10: () => example('sigmoid10.yaml', { data: 'mnist' }),
  steps: () => example('sigmoid10.yaml', { data: 'mnist', steps: 30 }),
  'steps-300': () => spec(mlp(300, 'relu', 'he', 32), { steps: 30 }),
  resnet: () => example('resnet.yaml', { data: 'mnist' }),
  transformer: () => example('transformer.yaml'),
  recurrent: () => example('rnn-adding.yaml', { data: 'adding:50' }),
  hostile: async () => renamed(await spec(mlp(8, 'sigmoid', 'glorot-uniform'), { steps: 5 })),
  'all-nan': () => spec(mlp(6, 'relu', { normal: 1e30 })),
};
for (const given of options.model) {
  const [file, data] = given.split('=');
  cases[
    file
      .split('/')
      .at(-1)
      .replace(/\.\w+$/, '')
  ] = () => diagnose(file, { data });
}

const views = {
  light: { colorScheme: 'light', viewport: { width: 1100, height: 900 } },
  dark: { colorScheme: 'dark', viewport: { width: 1100, height: 900 } },
  phone: { colorScheme: 'light', viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true },
};

const browser = await chromium.launch({ executablePath: options.browser, args: ['--no-sandbox'] });
let failures = 0;
for (const [name, make] of Object.entries(cases)) {
  if (options.only !== undefined && !options.only.split(',').includes(name)) continue;
  const subject = await make();
  const start = performance.now();
  const page = renderHtml(subject);
  const took = performance.now() - start;
  const file = join(options.to, `${name}.html`);
  writeFileSync(file, page);
  for (const [view, context] of Object.entries(views)) {
    const tab = await browser.newPage(context);
    tab.on('console', (message) => {
      failures++;
      process.stderr.write(`${name}, ${view}: ${message.text()}\n`);
    });
    await tab.goto(pathToFileURL(file).href);
    const over = await tab.evaluate(() => globalThis.document.documentElement.scrollWidth - globalThis.innerWidth);
    if (over > 0) {
      failures++;
      process.stderr.write(`${name}, ${view}: ${over} pixels wider than the page\n`);
    }
    await tab.screenshot({ path: join(options.to, `${name}-${view}.png`), fullPage: true });
    if (view === 'dark')
      await tab.pdf({ path: join(options.to, `${name}.pdf`), preferCSSPageSize: true, printBackground: true });
    await tab.close();
  }
  if (options.readme !== undefined && name === 'sigmoid10') {
    const tab = await browser.newPage({ viewport: { width: 940, height: 900 } });
    await tab.goto(pathToFileURL(file).href);
    const [from, to] = await Promise.all(['#verdict', '#depth'].map((id) => tab.locator(id).boundingBox()));
    const clip = { x: 0, y: from.y - 12, width: 940, height: to.y + to.height - from.y + 24 };
    await tab.screenshot({ path: options.readme, fullPage: true, clip });
    await tab.close();
  }
  process.stdout.write(`${name}: ${Math.round(page.length / 1024)} KiB, rendered in ${Math.round(took)} ms\n`);
}
await browser.close();
process.stdout.write(`in ${options.to}\n`);
if (failures > 0) process.exitCode = 1;
