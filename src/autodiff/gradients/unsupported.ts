const sequences = 'gradients flow through tensors, not through sequences of them';
const optionals = 'gradients flow through tensors, not through optional values';
const strings = 'text has no gradient';
const quantized =
  'it rounds to whole numbers: the derivative is zero almost everywhere, and training through it needs a stand-in this tool does not choose for you';
const spectral = 'complex transforms are not written';
const sampling = 'the gradient of sampling at computed places is not written';
const serving = 'it keeps state between calls, as generation does, and is not part of training';
const training = 'it is a step of an optimizer, not of a network';

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
  DequantizeLinear: 'its input is quantized: the gradients of scales are not written',

  DFT: spectral,
  STFT: spectral,
  MelWeightMatrix: 'it builds a table from settings, whose gradients are not written',

  AffineGrid: sampling,
  DeformConv: sampling,
  GridSample: sampling,
  MaxRoiPool: sampling,
  RoiAlign: sampling,

  BitCast: 'it reinterprets the bits of its input, which is no smooth function',
  Compress: 'the number of elements it keeps depends on the data, so the gradient has no fixed shape',
  Unique: 'the number of elements it keeps depends on the data, so the gradient has no fixed shape',
  NonMaxSuppression: 'it chooses boxes: its results are indices, and their number depends on the data',
  ImageDecoder: 'decoding an image file has no gradient',
  CumProd: 'the gradient of a running product is not written',
  Det: 'the gradient of a determinant needs a matrix inverse, which ONNX has no operator for',
  MeanVarianceNormalization: 'onnxruntime 1.30 takes its result for a scalar when it infers shapes',
  TensorScatter: serving,

  Adagrad: training,
  Adam: training,
  Momentum: training,
  Gradient: 'gradients of gradients are not written',
};
