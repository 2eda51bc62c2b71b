import type { Graph, Node } from '../graph/graph.ts';

/** Reads a node's attributes with the defaults of the ONNX specification. */
export class AttributeReader {
  private readonly node: Node;

  constructor(node: Node) {
    this.node = node;
  }

  has(name: string): boolean {
    return this.node.attributes[name] !== undefined;
  }

  /** An integer or float attribute. */
  number(name: string, fallback: number): number {
    const value = this.node.attributes[name];
    return typeof value === 'number' ? value : fallback;
  }

  numbers(name: string): number[] | undefined {
    const value = this.node.attributes[name];
    return Array.isArray(value) ? (value as number[]) : undefined;
  }

  string(name: string, fallback: string): string {
    const value = this.node.attributes[name];
    return typeof value === 'string' ? value : fallback;
  }

  graph(name: string): Graph | undefined {
    const value = this.node.attributes[name];
    return value !== undefined && typeof value === 'object' && 'nodes' in value ? value : undefined;
  }
}
