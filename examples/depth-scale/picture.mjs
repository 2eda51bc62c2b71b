// The picture: accuracy over weight variance and depth, and the curve of 6ξ.
const [left, top, plotWidth, plotHeight] = [72, 64, 560, 380];
const [lowest, highest] = [4, 100];
const ticks = [5, 10, 20, 50, 100];

/** Depth on a logarithmic axis. */
const y = (depth) => top + plotHeight * (1 - Math.log(depth / lowest) / Math.log(highest / lowest));
const x = (sigmaW2) => left + (plotWidth * (sigmaW2 - 0.9)) / 3.25;

/** White at chance, dark blue where all is learned. */
function shade(accuracy) {
  const part = Math.max(0, Math.min(1, (accuracy - 0.1) / 0.8));
  const mix = (from, to) => Math.round(from + part * (to - from));
  return `rgb(${mix(247, 8)},${mix(250, 69)},${mix(253, 148)})`;
}

/** Borders half way between neighbours, within the picture. */
function borders(values, place, from, to) {
  const within = (at) => Math.max(from, Math.min(to, at));
  const at = values.map(place);
  return at.map((here, i) => [
    within(i > 0 ? (at[i - 1] + here) / 2 : here - (at[1] - here) / 2),
    within(i + 1 < at.length ? (here + at[i + 1]) / 2 : here + (here - at[i - 1]) / 2),
  ]);
}

export function draw({ sigmaB2, width, steps, batch, cells }, curve) {
  const variances = [...new Set(cells.map(({ sigmaW2 }) => sigmaW2))];
  const depths = [...new Set(cells.map(({ depth }) => depth))];
  const columns = borders(variances, x, left, left + plotWidth);
  const rows = borders(depths, y, top, top + plotHeight);
  const squares = cells.map(({ sigmaW2, depth, accuracy }) => {
    const [x0, x1] = columns[variances.indexOf(sigmaW2)];
    const [bottom, up] = rows[depths.indexOf(depth)];
    const ink = accuracy > 0.45 ? '#fff' : '#456';
    const box = `x="${x0.toFixed(1)}" y="${up.toFixed(1)}" width="${(x1 - x0 - 1).toFixed(1)}" height="${(bottom - up - 1).toFixed(1)}"`;
    const text = `<text x="${((x0 + x1) / 2).toFixed(1)}" y="${((bottom + up) / 2 + 4).toFixed(1)}" fill="${ink}" text-anchor="middle" font-size="11">${Math.round(100 * accuracy)}</text>`;
    return `<rect ${box} fill="${shade(accuracy)}"/>${text}`;
  });
  const visible = curve.filter(({ depth }) => depth < highest && depth > lowest);
  const branch = (side) =>
    visible
      .filter(({ sigmaW2 }) => side(sigmaW2))
      .map((p, i) => `${i === 0 ? 'M' : 'L'}${x(p.sigmaW2).toFixed(1)} ${y(p.depth).toFixed(1)}`);
  const critical = curve.reduce((a, b) => (b.depth > a.depth ? b : a)).sigmaW2;
  const path = [...branch((s) => s < critical), ...branch((s) => s > critical)].join('');
  const marksX = [1, 1.5, 2, 2.5, 3, 3.5, 4].map(
    (s) => `<text x="${x(s)}" y="${top + plotHeight + 18}" text-anchor="middle">${s}</text>`,
  );
  const marksY = ticks.map((d) => `<text x="${left - 10}" y="${y(d) + 4}" text-anchor="end">${d}</text>`);
  const [w, h] = [left + plotWidth + 20, top + plotHeight + 78];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${w} ${h}" font-family="system-ui, sans-serif" font-size="13" fill="#223">
<title>Training accuracy of tanh networks over weight variance and depth, and six depth scales</title>
<rect width="${w}" height="${h}" fill="#fff"/>
<text x="${left}" y="26" font-size="15" font-weight="600">How deep a tanh network trains: measured, and 6ξ from theory</text>
<text x="${left}" y="46">accuracy in % after ${steps} steps on digits; σ_b² = ${sigmaB2}, width ${width}, batch ${batch}, SGD</text>
${squares.join('\n')}
<path d="${path}" fill="none" stroke="#d9480f" stroke-width="3"/>
<text x="${x(2.02)}" y="${top + 14}" fill="#d9480f" font-weight="600">6ξ</text>
${marksX.join('')}
${marksY.join('')}
<text x="${left + plotWidth / 2}" y="${top + plotHeight + 44}" text-anchor="middle">σ_w²: ordered, gradients vanish ←  ${critical.toFixed(2)} is critical  → chaotic, gradients explode</text>
<text transform="translate(22 ${top + plotHeight / 2}) rotate(-90)" text-anchor="middle">depth, layers</text>
</svg>
`;
}
