/** `-5.9`, `+0.1`, `0.0`: decades show their sign, in at most six characters; `-∞` for exactly nothing. */
export function showDecades(decades: number): string {
  if (Number.isNaN(decades)) return 'NaN';
  if (!Number.isFinite(decades)) return decades > 0 ? '∞' : '-∞';
  const magnitude = Math.abs(decades);
  const large = magnitude < 99_999 ? decades.toFixed(0) : decades.toExponential(0).replace('e+', 'e');
  const rounded = magnitude < 999.9 ? decades.toFixed(1) : large;
  if (rounded === '-0.0' || rounded === '0.0') return '0.0';
  return decades > 0 ? `+${rounded}` : rounded;
}

/** `9.8e-1`. */
export function showSize(x: number): string {
  if (Number.isNaN(x)) return 'NaN';
  if (!Number.isFinite(x)) return x > 0 ? '∞' : '-∞';
  return x === 0 ? '0' : x.toExponential(1).replace('e+', 'e');
}

/** 10^log in the form of `showSize`, also where float64 ends. */
export function showPower(log: number): string {
  const x = 10 ** log;
  if (x !== 0 && Number.isFinite(x)) return showSize(x);
  if (log === Number.NEGATIVE_INFINITY) return '0';
  if (!Number.isFinite(log)) return showSize(log);
  const exponent = Math.floor(log);
  const digits = (10 ** (log - exponent)).toFixed(1);
  return digits === '10.0' ? `1.0e${exponent + 1}` : `${digits}e${exponent}`;
}

/** `62 %`. */
export function showPercent(fraction: number): string {
  return Number.isFinite(fraction) ? `${Math.round(100 * fraction)} %` : showSize(fraction);
}

/** `170 110`. */
export function showCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ' ');
}

/** A number as evidence: short, but never so that a threshold and what crossed it look alike. */
export function showNumber(x: number): string {
  if (!Number.isFinite(x)) return showSize(x);
  if (Number.isInteger(x) && Math.abs(x) < 1e6) return String(x);
  const magnitude = Math.abs(x);
  return magnitude >= 1e-3 && magnitude < 1e6 ? String(Number(x.toPrecision(3))) : showSize(x);
}

/** `1 layer`, `11 layers`. */
export function counted(count: number, noun: string, plural = `${noun}s`): string {
  return `${showCount(count)} ${count === 1 ? noun : plural}`;
}
