import type { DataType } from '../graph/data-type.ts';
import type { Model } from '../graph/graph.ts';
import type { Tensor } from '../graph/tensor.ts';

/** Runs graphs. onnxruntime-node and onnxruntime-web stand behind this one interface. */
export interface Runtime {
  /** Name and version, for reports. */
  readonly name: string;
  /** Prepares a model for running. Throws RuntimeFailure when the runtime refuses it. */
  load(model: Model, options?: LoadOptions): Promise<Session>;
}

export interface LoadOptions {
  /** `none` loads fastest, `full` runs fastest. Default `basic`. */
  readonly optimization?: 'none' | 'basic' | 'full';
}

export interface Session {
  readonly outputs: readonly OutputInfo[];
  /**
   * Runs the graph. An output named in `into` is written there, in place: type and shape must be the output's, and the
   * tensor must not be one of the feeds. Throws RuntimeFailure when a node fails.
   */
  run(
    feeds: ReadonlyMap<string, Tensor>,
    fetches: readonly string[],
    into?: ReadonlyMap<string, Tensor>,
  ): Promise<Map<string, Tensor>>;
  release(): Promise<void>;
}

/** What the runtime infers of an output before running: symbolic dims are strings. */
export interface OutputInfo {
  readonly name: string;
  readonly type: DataType | undefined;
  readonly shape: readonly (number | string)[] | undefined;
}
