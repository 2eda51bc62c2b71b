import type { Node } from '../graph/graph.ts';
import type { Rule } from './rule.ts';

/** The three tables in which every ONNX operator stands exactly once. */
export interface GradientTableData {
  readonly differentiable: Readonly<Record<string, Rule>>;
  readonly zeroOnPurpose: Readonly<Record<string, string>>;
  readonly unsupported: Readonly<Record<string, string>>;
}

/** Looks operators up in the three tables. Only the standard domain has gradients. */
export class GradientTables {
  private readonly data: GradientTableData;

  constructor(data: GradientTableData) {
    this.data = data;
  }

  /** The gradient rule of a node, if its operator has one. */
  find(node: Node): Rule | undefined {
    return node.domain === '' && Object.hasOwn(this.data.differentiable, node.op)
      ? this.data.differentiable[node.op]
      : undefined;
  }

  /** Whether the gradient through a node is zero by mathematics (comparisons, rounding, shapes). */
  isZero(node: Node): boolean {
    return node.domain === '' && Object.hasOwn(this.data.zeroOnPurpose, node.op);
  }

  /** Why an operator has no gradient, where that is known. */
  reasonAgainst(node: Node): string | undefined {
    return node.domain === '' && Object.hasOwn(this.data.unsupported, node.op)
      ? this.data.unsupported[node.op]
      : undefined;
  }
}
