const integers = 'its results are whole numbers or truth values, which do not move with a small change of the input';
const comparison = 'a comparison is constant except where it jumps';
const rounding = 'it is constant except where it jumps';
const shapeOnly = 'it reads the shape of its input, not the numbers';
const noInput = 'it has no input that a gradient could reach';
const sampled = 'a random draw is constant in its input except where it jumps';

/** Operators whose gradient is zero by mathematics, with the reason. */
export const zeroOnPurpose: Record<string, string> = {
  Equal: comparison,
  Greater: comparison,
  GreaterOrEqual: comparison,
  Less: comparison,
  LessOrEqual: comparison,
  IsInf: comparison,
  IsNaN: comparison,

  And: integers,
  Or: integers,
  Xor: integers,
  Not: integers,
  BitShift: integers,
  BitwiseAnd: integers,
  BitwiseNot: integers,
  BitwiseOr: integers,
  BitwiseXor: integers,
  ArgMax: integers,
  ArgMin: integers,
  NonZero: integers,

  Ceil: rounding,
  Floor: rounding,
  Round: rounding,
  Sign: rounding,
  Hardmax: rounding,

  Shape: shapeOnly,
  Size: shapeOnly,
  EyeLike: shapeOnly,
  RandomNormalLike: shapeOnly,
  RandomUniformLike: shapeOnly,

  Constant: noInput,
  ConstantOfShape: noInput,
  RandomNormal: noInput,
  RandomUniform: noInput,
  BlackmanWindow: noInput,
  HammingWindow: noInput,
  HannWindow: noInput,

  Bernoulli: sampled,
  Multinomial: sampled,
};
