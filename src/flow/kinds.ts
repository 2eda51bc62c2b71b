/** The factors of the chain rule, as attribution names them. The ids are stable: they appear in JSON reports. */
export const factorKinds = {
  'activation-derivative': 'activation derivatives',
  'weight-matrix': 'weights',
  normalization: 'normalization',
  pooling: 'pooling',
  attention: 'attention',
  recurrence: 'recurrence',
  'skip-connection': 'skip connections',
  branching: 'branches',
  arithmetic: 'arithmetic',
  dropout: 'dropout',
  reshape: 'reshaping',
  loss: 'loss',
} as const;
export type FactorKind = keyof typeof factorKinds;

const operatorsByKind: Partial<Record<FactorKind, string>> = {
  'activation-derivative':
    'Relu LeakyRelu PRelu Elu Selu Celu Gelu Sigmoid Tanh Softplus Softsign HardSigmoid HardSwish Mish Swish ' +
    'ThresholdedRelu Shrink Clip Erf',
  'weight-matrix': 'Gemm Conv ConvTranspose DeformConv',
  normalization:
    'BatchNormalization LayerNormalization InstanceNormalization GroupNormalization RMSNormalization ' +
    'LpNormalization MeanVarianceNormalization LRN',
  pooling:
    'MaxPool AveragePool GlobalAveragePool GlobalMaxPool LpPool GlobalLpPool ReduceMean ReduceMax ReduceMin ' +
    'ReduceSum ReduceL1 ReduceL2 ReduceLogSumExp ReduceProd ReduceSumSquare ReduceLogSum Resize',
  attention: 'Softmax LogSoftmax Attention RotaryEmbedding',
  recurrence: 'RNN LSTM GRU Scan Loop',
  dropout: 'Dropout',
  reshape:
    'Reshape Flatten Transpose Concat Split Slice Squeeze Unsqueeze Identity Pad Expand Tile Cast Gather ' +
    'GatherElements GatherND ScatterElements ScatterND DepthToSpace SpaceToDepth Trilu',
};

const kindByOperator = new Map<string, FactorKind>(
  Object.entries(operatorsByKind).flatMap(([kind, operators]) =>
    operators.split(' ').map((operator) => [operator, kind as FactorKind] as const),
  ),
);

/**
 * The kind of factor an operator contributes to the chain rule. A matrix product of two activations is attention;
 * with a parameter on one side it is a weight matrix. Operators written out as primitives: see findComposites.
 */
export function kindOf(op: string, readsParameter: boolean): FactorKind {
  if (op === 'MatMul' || op === 'Einsum') return readsParameter ? 'weight-matrix' : 'attention';
  return kindByOperator.get(op) ?? 'arithmetic';
}

/** Whether an operator is an elementwise activation function. */
export function isActivation(op: string): boolean {
  return kindByOperator.get(op) === 'activation-derivative';
}
