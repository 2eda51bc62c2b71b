const sequences = 'gradients flow through tensors, not through sequences of them';
const optionals = 'gradients flow through tensors, not through optional values';
const strings = 'text has no gradient';
const quantized =
  'it rounds to whole numbers: the derivative is zero almost everywhere, and training through it needs a stand-in this tool does not choose for you';
const sampling = 'the gradient of sampling at computed places is not written';
const newer = 'onnxruntime 1.30 has no opset beyond 26, so the model cannot be run';

/** Operators without a gradient here, with the reason a user reads. */
export const unsupported: Record<string, string> = {
  ConcatFromSequence: sequences,
  SequenceAt: sequences,
  SequenceConstruct: sequences,
  SequenceEmpty: sequences,
  SequenceErase: sequences,
  SequenceInsert: sequences,
  SequenceLength: sequences,
  SequenceMap: sequences,
  SplitToSequence: sequences,
  Optional: optionals,
  OptionalGetElement: optionals,
  OptionalHasElement: optionals,

  RegexFullMatch: strings,
  StringConcat: strings,
  StringNormalizer: strings,
  StringSplit: strings,
  TfIdfVectorizer: strings,

  ConvInteger: quantized,
  DynamicQuantizeLinear: quantized,
  MatMulInteger: quantized,
  QLinearConv: quantized,
  QLinearMatMul: quantized,
  QuantizeLinear: quantized,

  MelWeightMatrix: 'it builds a table from settings, whose gradients are not written',

  DeformConv: sampling,
  GridSample: sampling,
  MaxRoiPool: sampling,
  RoiAlign: sampling,

  BitCast: 'it reinterprets the bits of its input, which is no smooth function',
  Unique: 'the number of elements it keeps depends on the data, so the gradient has no fixed shape',
  NonMaxSuppression: 'it chooses boxes: its results are indices, and their number depends on the data',
  ImageDecoder: 'decoding an image file has no gradient',

  CausalConvWithState: newer,
  LinearAttention: newer,
  SwiGLU: newer,
};
