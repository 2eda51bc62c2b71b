/** Losses of one batch with one layer changed at a time: what a layer is worth, measured. */
export interface Ablation {
  /** Loss with nothing changed. */
  readonly loss: number;
  /** Loss of the best constant answer: what remains when nothing is learned. */
  readonly constantLoss?: number;
  /** From input to output. */
  readonly layers: readonly LayerAblation[];
  /** The same of several layers at once, the ones that cost least by themselves first: one, two, three, … of them. */
  readonly bypassedTogether?: readonly JointAblation[];
  readonly rewoundTogether?: readonly JointAblation[];
}

export interface JointAblation {
  readonly layers: readonly string[];
  readonly loss: number;
}

export interface LayerAblation {
  readonly layer: string;
  /** Loss with the layer left out: its input passed on in place of its output. Absent where shapes do not allow it. */
  readonly bypassed?: number;
  /** The layers left out with it, itself among them, where it stands in a residual branch: that goes as a whole. */
  readonly together?: readonly string[];
  /** Loss with the layer's parameters put back to their first values (Zhang et al. 2019). Absent at step 0. */
  readonly rewound?: number;
}
