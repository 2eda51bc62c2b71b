// Pictures of results: panels side by side, in the colours of the report, light and dark.
import { html, Markup } from '../../dist/report/html/escape.js';
import { extent, linear, roundScale } from '../../dist/report/html/scale.js';
import { minus, polyline, power, px } from '../../dist/report/html/svg.js';

const [panelWidth, wideWidth, height] = [430, 880, 300];
const edge = { left: 52, right: 18, top: 58, bottom: 40 };
const paints = ['accent', 'second', 'third', 'theory'];
const style = `.halo{paint-order:stroke;stroke:var(--card);stroke-width:4px;stroke-linejoin:round}svg{--card:#fff;--ink:#16202c;--soft:#52606f;--grid:#e6eaef;--accent:#1f5fbf;--second:#b45309;--third:#0f766e;--theory:#7a3fb8;font:12px system-ui,-apple-system,"Segoe UI","Noto Sans","Liberation Sans",Arial,sans-serif}
@media (prefers-color-scheme:dark){svg{--card:#161c23;--ink:#e6ebf1;--soft:#a3afbc;--grid:#2c3641;--accent:#6cb0ff;--second:#f0a35e;--third:#4fd1b5;--theory:#cfa6ff}}
.card{fill:var(--card)}text{fill:var(--soft)}.title{fill:var(--ink);font-size:14px;font-weight:600}.grid{stroke:var(--grid);fill:none}.mark{stroke:var(--soft);stroke-dasharray:5 4;fill:none}
path{stroke-linejoin:round;stroke-linecap:round}.line{fill:none;stroke-width:1.8;stroke-opacity:.85}.dot{stroke:none}.ridge{stroke-width:1.2;fill-opacity:.25}`;
const paint = (i) => `var(--${paints[i % paints.length]})`;

/** One SVG of all panels. */
export function draw(title, panels) {
  const widths = panels.map(({ wide }) => (wide ? wideWidth : panelWidth));
  const width = widths.reduce((sum, x) => sum + x, 0) + 20 * (panels.length - 1);
  const content = panels.map((panel, i) => {
    const left = widths.slice(0, i).reduce((sum, x) => sum + x + 20, 0);
    const drawn = panel.kind === 'ridges' ? ridges(panel, widths[i]) : lines(panel, widths[i]);
    return html`<g transform="translate(${px(left)} 0)">${drawn}</g>`;
  });
  const svg = html`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img"><title>${title}</title><style>${new Markup(style)}</style><rect class="card" width="${width}" height="${height}"/>${content}</svg>`;
  return `${svg.text}\n`;
}

function lines({ title, x: xName, range, series, mark, dots, label = (tick) => minus(String(tick)) }, width) {
  const points = series.flatMap((one) => one.lines.flat()).map(([a, b]) => [Number(a), Number(b)]);
  const xs = extent(points.map(([a]) => a)) ?? [0, 1];
  const ys = range ?? extent([...points.map(([, b]) => b), ...(mark ? [mark.at] : [])]) ?? [0, 1];
  const [left, right, top, bottom] = [edge.left, width - edge.right, edge.top, height - edge.bottom];
  const y = roundScale(ys[0], ys[1], bottom, top, 5);
  const ticks = roundScale(xs[0], xs[1], left, right, 6).ticks.filter((tick) => tick >= xs[0] && tick <= xs[1]);
  const x = linear(xs[0], xs[1], left, right);
  // What leaves the panel is drawn along its border.
  const inside = (value) => Math.max(y.low, Math.min(y.high, value));
  const place = ([a, b]) => [
    x.at(Number(a)),
    b === 'Infinity' || b > 0 || Number.isFinite(Number(b)) ? y.at(inside(Number(b))) : Number.NaN,
  ];
  return [
    html`<text class="title" x="${left}" y="20">${title}</text>`,
    legend(series, left),
    ...y.ticks.map(
      (tick) =>
        html`<path class="grid" d="M${left} ${px(y.at(tick))}H${right}"/><text x="${left - 7}" y="${px(y.at(tick) + 4)}" text-anchor="end">${label(tick)}</text>`,
    ),
    ...ticks.map((tick) => html`<text x="${px(x.at(tick))}" y="${bottom + 17}" text-anchor="middle">${tick}</text>`),
    html`<text x="${right}" y="${bottom + 33}" text-anchor="end">${xName} →</text>`,
    mark ? html`<path class="mark" d="M${left} ${px(y.at(mark.at))}H${right}"/>` : html``,
    ...series.flatMap((one) => one.lines.map((line) => curve(line.map(place), one.paint, dots || line.length < 8))),
    mark
      ? html`<text x="${right}" y="${px(y.at(mark.at) - 12)}" text-anchor="end" class="halo">${mark.text}</text>`
      : html``,
  ];
}

/** A line; with dots where its points are few, so that a run which ended at once is seen. */
function curve(points, color, dots) {
  const circles = dots
    ? points
        .filter(([, y]) => Number.isFinite(y))
        .map(([x, y]) => html`<circle class="dot" fill="${paint(color)}" cx="${px(x)}" cy="${px(y)}" r="3.5"/>`)
    : [];
  return html`<path class="line" stroke="${paint(color)}" d="${polyline(points)}"/>${circles}`;
}

function legend(series, left) {
  let at = left;
  return series.map(({ name, paint: color }) => {
    const entry = html`<path class="line" stroke="${paint(color)}" d="M${px(at)} 38h16"/><text x="${px(at + 21)}" y="42">${name}</text>`;
    at += 40 + 6.3 * name.length;
    return entry;
  });
}

const LOG10_2 = Math.log10(2);

/** Histograms over decades, one row each: `from` and `counts` of powers of two. */
function ridges({ title, rows, paint: color }, width) {
  const [left, right, top, bottom] = [edge.left + 14, width - edge.right, edge.top, height - edge.bottom];
  const x = linear(-9, -3, left, right);
  const pitch = (bottom - top) / rows.length;
  const peak = Math.max(...rows.flatMap(({ counts }) => counts));
  const hill = ({ from, counts }, base) =>
    counts
      .map((count, i) => [x.at((from + i + 0.5) * LOG10_2), base - (count / peak) * pitch * 1.5])
      .filter(([at]) => at >= left && at <= right);
  return [
    html`<text class="title" x="${left}" y="20">${title}</text>`,
    ...[-9, -8, -7, -6, -5, -4, -3].map(
      (tick) =>
        html`<path class="grid" d="M${px(x.at(tick))} ${top - 10}V${bottom}"/><text x="${px(x.at(tick))}" y="${bottom + 17}" text-anchor="middle">${power(tick)}</text>`,
    ),
    ...rows.map((row, i) => {
      const base = top + (i + 1) * pitch;
      const points = hill(row, base);
      const [first, last] = [points[0], points.at(-1)];
      const path = `M${px(first[0])} ${px(base)}${polyline(points).replace('M', 'L')}L${px(last[0])} ${px(base)}`;
      return html`<path class="ridge" stroke="${paint(color)}" fill="${paint(color)}" d="${path}"/><text x="${left - 8}" y="${px(base - 2)}" text-anchor="end">${row.name}</text>`;
    }),
  ];
}
