import { html, type Markup } from './escape.ts';
import { roundScale, type Scale } from './scale.ts';
import { minus, px } from './svg.ts';

/** Where a picture over training steps lies. */
export interface StepFrame {
  readonly width: number;
  readonly narrow: boolean;
  /** First and last step, lowest and highest value. */
  readonly steps: readonly [number, number];
  readonly values: readonly [number, number];
  /** Height of the picture on a wide page. */
  readonly tall: number;
  readonly name: string;
}

/** Grid, axes and ticks of a quantity against training steps, and where a step and a value stand. */
export function stepAxes({ width, narrow, steps: [first, last], values: [low, high], tall, name }: StepFrame): {
  readonly height: number;
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly at: (step: number) => number;
  readonly y: Scale;
  readonly marks: readonly Markup[];
} {
  const left = narrow ? 46 : 60;
  const [top, bottom, right] = [24, narrow ? 180 : tall, width - 10];
  // From zero where the values come near it: half a loss then looks like half.
  const y = roundScale(low > 0 && low < 0.4 * high ? 0 : low, high, bottom, top, 5);
  const x = roundScale(first, Math.max(last, first + 1), left, right, narrow ? 4 : 8);
  const at = (step: number) => left + ((step - first) / Math.max(1, last - first)) * (right - left);
  const ticks = x.ticks.filter((tick) => Number.isInteger(tick) && tick >= first && tick <= last);
  const marks = [
    html`<text class="axis-name" x="2" y="12">${name}</text>`,
    ...y.ticks.map(
      (tick) =>
        html`<path class="grid" d="M${left} ${px(y.at(tick))}H${px(right)}"/><text class="tick" x="${left - 7}" y="${px(y.at(tick) + 4)}" text-anchor="end">${minus(String(tick))}</text>`,
    ),
    html`<path class="axis" d="M${left} ${bottom}H${px(right)}"/>`,
    ...ticks.map(
      (tick) =>
        html`<path class="axis" d="M${px(at(tick))} ${bottom}v4"/><text class="tick" x="${px(at(tick))}" y="${bottom + 17}" text-anchor="middle">${tick}</text>`,
    ),
    html`<text class="axis-name" x="${px(right)}" y="${bottom + 32}" text-anchor="end">training step →</text>`,
  ];
  return { height: bottom + 36, left, right, top, at, y, marks };
}
