/** What `explain` answers: texts, and worked examples that the engine computed. Renderers choose, order and format. */
export interface Explanation {
  readonly topics: readonly ExplainedTopic[];
  /** Several topics of one family side by side. */
  readonly comparison?: Example;
}

export interface ExplainedTopic {
  readonly topic: Topic;
  readonly example?: Example;
}

/** Families of topics, and how a heading names them, in the order of the overview. */
export const topicFamilies = {
  concept: 'Concepts',
  rule: 'Rules',
  remedy: 'Remedies',
  activation: 'Activations',
  initializer: 'Initializers',
  optimizer: 'Optimizers',
} as const;
export type TopicFamily = keyof typeof topicFamilies;

/** A text with its formulas; nothing in it is measured. */
export interface Topic {
  readonly id: string;
  readonly family: TopicFamily;
  readonly title: string;
  /** Other names that lead here. */
  readonly aliases: readonly string[];
  /** One line, for the overview. */
  readonly summary: string;
  /** Paragraphs. */
  readonly what: readonly string[];
  readonly formulas: readonly Formula[];
  /** Facts under a label: thresholds, costs, options. */
  readonly facts: readonly { readonly label: string; readonly text: string }[];
  readonly references: readonly string[];
  /** Ids of related topics. */
  readonly see: readonly string[];
}

/** A formula in plain characters, every symbol of which is named. */
export interface Formula {
  readonly text: string;
  readonly symbols: Readonly<Record<string, string>>;
}

/** A worked example: what was run, what came out, what it means. */
export interface Example {
  /** What the engine ran, so that it can be repeated. */
  readonly setup: string;
  readonly plots: readonly Plot[];
  readonly tables: readonly Table[];
  readonly conclusions: readonly string[];
  /** The numbers behind it by name, for scripts. */
  readonly numbers: Readonly<Record<string, number | string>>;
}

/** How a cell's number is shown: `size` as 1.2e-3, `decades` with its sign, `percent` of a fraction. */
export type CellKind = 'text' | 'number' | 'size' | 'decades' | 'percent';

export interface Table {
  readonly caption?: string;
  /** The first column names the rows. */
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
}

export type Cell = string | { readonly value: number; readonly as: Exclude<CellKind, 'text'> };

export interface Series {
  readonly name: string;
  readonly x: readonly number[];
  readonly y: readonly number[];
}

export interface Plot {
  readonly title: string;
  readonly kind: 'lines' | 'bars';
  /** Names of the axes. */
  readonly x: string;
  readonly y: string;
  readonly series: readonly Series[];
  /** Whether y is drawn by its logarithm; what is not above zero is left out then. */
  readonly logarithmic?: boolean;
}
