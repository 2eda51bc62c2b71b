import { z } from 'zod';

/** Largest dimension or count: what a 32-bit index holds. */
const LARGEST = 2 ** 31 - 1;

const whole = (low: number, high: number, error: string) => z.int({ error }).min(low, { error }).max(high, { error });

/** A whole number of at least 1. */
export const count = whole(1, LARGEST, 'expected a whole number of at least 1');

/** A whole number of at least 0. */
export const wholeNumber = whole(0, LARGEST, 'expected a whole number of at least 0');

/** A whole number, counted from the end when negative. */
export const axis = whole(-LARGEST, LARGEST, 'expected a whole number');

/** A finite number. */
export const number = z.number({ error: 'expected a number' });

/** A finite number above 0. */
export const positive = z
  .number({ error: 'expected a number above 0' })
  .positive({ error: 'expected a number above 0' });

/** A number of at least 0 and below 1. */
export const fraction = z
  .number({ error: 'expected a number from 0 up to, but not including, 1' })
  .min(0, { error: 'expected a number from 0 up to, but not including, 1' })
  .lt(1, { error: 'expected a number from 0 up to, but not including, 1' });

/** true or false. */
export const flag = z.boolean({ error: 'expected true or false' });

/** One of some words. */
export const oneOf = <const T extends readonly [string, ...string[]]>(...words: T) =>
  z.enum(words, { error: `expected ${words.map((word) => `"${word}"`).join(' or ')}` });

/** A name within the graph; dots are kept for paths. */
export const name = z
  .string({ error: 'expected a name of letters, digits, "_" and "-"' })
  .regex(/^[\w-]{1,200}$/, { error: 'expected a name of letters, digits, "_" and "-"' });

const sizesError = 'expected a whole number of at least 1, or a list with one for each axis';
/** One size for all spatial axes, or one each. */
export const sizes = z.union([count, z.array(count).min(1).max(3)], { error: sizesError });

const paddingError = 'expected "same", "valid", a whole number, or a list with one for each axis';
/** Zeros around the input. */
export const padding = z.union([z.enum(['same', 'valid']), wholeNumber, z.array(wholeNumber).min(1).max(3)], {
  error: paddingError,
});

const shapeError = 'expected a list of 1 to 8 whole numbers of at least 1';
/** The shape of one sample. */
export const sampleShape = z
  .array(whole(1, LARGEST, 'expected a whole number of at least 1'), { error: shapeError })
  .min(1, { error: shapeError })
  .max(8, { error: shapeError });

const targetError = 'expected a list of 1 to 8 sizes, of which one may be -1';
/** A shape to give to a sample; −1 stands for what is left. */
export const targetShape = z
  .array(z.union([z.literal(-1), count], { error: 'expected a whole number of at least 1, or -1' }), {
    error: targetError,
  })
  .min(1, { error: targetError })
  .max(8, { error: targetError })
  .refine((dims) => dims.filter((dim) => dim === -1).length <= 1, { error: targetError });

/** A list of layers. */
export const layerList = z
  .array(z.unknown(), { error: 'expected a list of layers' })
  .min(1, { error: 'expected at least one layer' });

/** Anything: read by its own code. */
export const anything = z.unknown();
