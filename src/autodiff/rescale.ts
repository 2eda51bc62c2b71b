import type { GraphBuilder } from '../graph/builder.ts';
import type { Node, Value } from '../graph/graph.ts';
import { readNames } from '../graph/subgraphs.ts';
import type { GradientPath } from './path.ts';

/**
 * Keeps gradients within float32 however deep the network: at chosen values, which every path passes through, the
 * gradient is multiplied by a graph input. Backpropagation is linear, so the true gradient of any value is the
 * measured one divided by the product of the factors between it and the loss.
 */
export class RescalePlan {
  /** Rescaled value → its factor's graph input. */
  readonly inputs = new Map<string, string>();
  /** Value on the path → the rescaled values its gradient has passed, nearest the loss first. */
  readonly passedBy = new Map<string, readonly string[]>();
  private readonly builder: GraphBuilder;
  private readonly factors = new Map<string, Value>();

  constructor(builder: GraphBuilder, path: GradientPath, rescaleAt: readonly string[]) {
    this.builder = builder;
    for (const name of rescaleAt) {
      if (!path.values.has(name)) continue;
      const factor = builder.input(builder.uniqueName(`rescale:${name}`), builder.value(name).type, []);
      this.factors.set(name, factor);
      this.inputs.set(name, factor.name);
    }
    for (const node of [...path.nodes].reverse()) {
      const after = this.after(node);
      for (const input of readNames(node)) {
        if (!path.values.has(input)) continue;
        const own = this.factors.has(input) ? [...after, input] : after;
        const known = this.passedBy.get(input);
        if (!known || own.length < known.length) this.passedBy.set(input, own);
      }
    }
  }

  /** The gradient of a value, multiplied by its factor if it has one. */
  apply(name: string, gradient: Value): Value {
    const factor = this.factors.get(name);
    return factor ? this.builder.mul(gradient, factor) : gradient;
  }

  /** A shared parameter is read on both sides of a rescaled value: its contributions are brought to one scale. */
  alignForMeeting(node: Node, name: string, contribution: Value): Value {
    if (this.factors.size === 0) return contribution;
    // Rescaled values stand in one order: what the nearest reader has passed is where every other reader's list begins.
    const own = this.passedBy.get(name)!;
    const wanted = own.at(-1) === name ? own.length - 1 : own.length;
    return this.after(node)
      .slice(wanted)
      .reduce((value, passed) => this.builder.div(value, this.factors.get(passed)!), contribution);
  }

  /** The rescaled values that the gradients of a node's outputs have passed. */
  after(node: Node): readonly string[] {
    let longest: readonly string[] = [];
    for (const output of node.outputs) {
      const passed = this.passedBy.get(output);
      if (passed && passed.length > longest.length) longest = passed;
    }
    return longest;
  }
}
