import * as ort from 'onnxruntime-node';
import type { DataType, TypedArray } from '../../graph/data-type.ts';
import { RuntimeFailure } from '../../graph/errors.ts';
import type { Model } from '../../graph/graph.ts';
import { encodeModel } from '../../graph/onnx/encode.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { withoutAliases } from '../aliases.ts';
import type { LoadOptions, OutputInfo, Runtime, Session } from '../runtime.ts';

// onnxruntime (1.29 and newer, Linux and macOS) sends names, sizes and hashes of every model to its makers unless this is
// set before its first session. Whoever sets the variable decides.
process.env.ORT_DISABLE_TELEMETRY ??= '1';
// What goes wrong is thrown; what the environment says of itself belongs on nobody's standard error.
ort.env.logLevel = 'fatal';

const optimizationLevels = { none: 'disabled', basic: 'basic', full: 'all' } as const;

export interface NodeRuntimeOptions {
  /** Threads within one operator; default: the number of cores. */
  readonly threads?: number;
}

/** onnxruntime-node on the CPU. */
export function nodeRuntime(options: NodeRuntimeOptions = {}): Runtime {
  return {
    name: `onnxruntime-node ${ort.env.versions.node ?? ort.env.versions.common}`,
    load: async (model, loadOptions) => load(model, options, loadOptions),
  };
}

async function load(
  model: Model,
  { threads }: NodeRuntimeOptions,
  { optimization = 'basic' }: LoadOptions = {},
): Promise<Session> {
  let session: ort.InferenceSession;
  try {
    session = await ort.InferenceSession.create(encodeModel(withoutAliases(model)), {
      graphOptimizationLevel: optimizationLevels[optimization],
      logSeverityLevel: 4,
      ...(threads !== undefined ? { intraOpNumThreads: threads } : {}),
    });
  } catch (cause) {
    throw failure('onnxruntime refuses the graph', cause);
  }
  const inputNames = new Set(session.inputNames);
  return {
    outputs: session.outputMetadata.slice(0, model.graph.outputs.length).map(outputInfo),
    release: () => session.release(),
    run: async (feeds, fetches, into) => {
      const inputs: Record<string, ort.Tensor> = {};
      for (const [name, tensor] of feeds) {
        if (inputNames.has(name)) inputs[name] = toOrt(tensor);
      }
      const outputs: Record<string, ort.Tensor | null> = {};
      for (const name of fetches) {
        const tensor = into?.get(name);
        outputs[name] = tensor ? toOrt(tensor) : null;
      }
      try {
        const results = await session.run(inputs, outputs);
        return new Map(fetches.map((name) => [name, into?.get(name) ?? fromOrt(results[name]!)]));
      } catch (cause) {
        throw failure('onnxruntime failed while running the graph', cause);
      }
    },
  };
}

function toOrt(tensor: Tensor): ort.Tensor {
  return new ort.Tensor(tensor.type as ort.Tensor.Type, tensor.data as never, tensor.dims as number[]);
}

function fromOrt(tensor: ort.Tensor): Tensor {
  return { type: tensor.type as DataType, dims: tensor.dims, data: tensor.data as TypedArray | string[] };
}

function outputInfo(metadata: ort.InferenceSession.ValueMetadata): OutputInfo {
  return metadata.isTensor
    ? { name: metadata.name, type: metadata.type as DataType, shape: metadata.shape }
    : { name: metadata.name, type: undefined, shape: undefined };
}

/** onnxruntime's messages carry source paths and function signatures; what follows the last of them is for people. */
function failure(what: string, cause: unknown): RuntimeFailure {
  const raw = cause instanceof Error ? cause.message : String(cause);
  const text = raw
    .split('\n')
    .map((line) => line.replace(/\/onnxruntime_src\/\S+:\d+\s+.*?\)(?: const)?\s+/g, '').trim())
    .filter((line) => line !== '')
    .join(' ');
  return new RuntimeFailure(`${what}: ${text.slice(0, 400)}`, { code: 'runtime-failure', cause });
}
