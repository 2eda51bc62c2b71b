/** An optimizer by name, with the options that differ from its defaults (camelCase, PyTorch's meaning). */
export interface OptimizerChoice {
  readonly name: string;
  readonly options?: Readonly<Record<string, number | boolean>>;
}
