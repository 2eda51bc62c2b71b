/** Arithmetic mean; NaN of nothing. */
export const mean = (values) => values.reduce((sum, x) => sum + x, 0) / values.length;

/** Middle value of an odd number of values. */
export const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

/** Mean of the last `count`. */
export const tail = (values, count = 50) => mean(values.slice(-count));

/** Four significant digits; what is not finite stays as its name, which JSON can hold. */
export const round = (x) => (Number.isFinite(x) ? Number(x.toPrecision(4)) : String(x));

/** [step, mean] of about `count` windows: a curve small enough to keep. */
export function thinned(values, count = 80) {
  const each = Math.max(1, Math.ceil(values.length / count));
  const points = [];
  for (let i = 0; i < values.length; i += each) {
    const window = values.slice(i, i + each);
    points.push([i + window.length, round(mean(window))]);
  }
  return points;
}

/** 'left < right' and whether it holds, by which factor or distance. Both numbers are kept: a reader can check. */
export function check(statement, measured, relation, limit) {
  const holds = relation === '<' ? measured < limit : measured > limit;
  const margin = relation === '<' ? limit - measured : measured - limit;
  return { statement, measured: round(measured), relation, limit: round(limit), holds, margin: round(margin) };
}

/** A claim held when every part of it did, in part when some did. */
export function verdictOf(checks) {
  const held = checks.filter(({ holds }) => holds).length;
  return { outcome: held === checks.length ? 'held' : held > 0 ? 'held in part' : 'did not hold', checks };
}
