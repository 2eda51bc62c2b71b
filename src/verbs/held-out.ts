/** Part of the rows held out to judge by where nothing else is asked for. */
const VALIDATION = 0.2;
/** Fewer held-out rows than this say nothing. */
const FEWEST_HELD_OUT = 20;

/** The part of so many rows to hold out: none where it would be too few. `rows` is undefined where they do not end. */
export function heldOutPart(rows: number | undefined, part = VALIDATION): number {
  return rows !== undefined && rows * part < FEWEST_HELD_OUT ? 0 : part;
}

/** Rows left to train on; undefined where they do not end. */
export function trainingRows(rows: number | undefined, part?: number): number | undefined {
  return rows === undefined ? undefined : rows - Math.round(heldOutPart(rows, part) * rows);
}
