import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/graph.ts';
import { normalizeAxis, range } from '../../graph/shapes.ts';
import { sizeOf, tensorOf } from '../../graph/tensor.ts';
import { type Context, type Rule, rule } from '../rule.ts';

/** Operators that write elements into a tensor. */
export const scattering: Record<string, Rule> = {
  // replacing: ddata = dY where nothing was written, dupdates = dY at the indices; other reductions in `throughReduction`
  ScatterElements: rule('data indices updates -> Y', (context) => {
    const { indices, updates, dY, g, attributes } = context;
    const axis = normalizeAxis(attributes.number('axis', 0), dY.shape.length);
    if (reductionOf(context) !== 'none') return throughReduction({ ...context, places: indices, axis });
    return {
      data: () => g.add('ScatterElements', [dY, indices, g.zerosLike(updates)], [[dY.type, dY.shape]], { axis })[0]!,
      updates: () => gatherElements(g, dY, indices, axis),
    };
  }),
  // As ScatterElements. With a reduction, slices are counted along one axis: see slicePlaces.
  ScatterND: rule('data indices updates -> Y', (context) => {
    const { data, indices, updates, Y, dY, g } = context;
    if (reductionOf(context) === 'none') {
      return {
        data: () => g.add('ScatterND', [dY, indices, g.zerosLike(updates)], [[dY.type, dY.shape]])[0]!,
        updates: () => g.add('GatherND', [dY, indices], [[dY.type, updates.shape]])[0]!,
      };
    }
    const { places, slots } = slicePlaces(g, indices, data.shape, 0);
    const rows = [slots, sizeOf(data.shape) / Math.max(1, slots)];
    const flat = (X: Value) => g.reshape(X, X === updates ? places.shape : rows);
    const flattened = { data: flat(data), updates: flat(updates), Y: flat(Y), dY: flat(dY) };
    const thunks = throughReduction({ ...context, ...flattened, places, axis: 0 });
    return {
      data: () => g.reshape(thunks.data(), data.shape),
      updates: () => g.reshape(thunks.updates(), updates.shape),
    };
  }),
  // A cache with updates written from write_indices on: dcache = dY elsewhere, dupdate = dY there.
  TensorScatter: rule('past_cache update write_indices? -> present_cache', (context) => {
    const { update, dpresent_cache: dY, g } = context;
    const axis = normalizeAxis(context.attributes.number('axis', -2), dY.shape.length);
    const places = () => cachePlaces(context, axis);
    return {
      past_cache: () =>
        g.add('ScatterElements', [dY, places(), g.zerosLike(update)], [[dY.type, dY.shape]], { axis })[0]!,
      update: () => gatherElements(g, dY, places(), axis),
    };
  }),
};

interface Reduced {
  readonly data: Value;
  readonly updates: Value;
  readonly Y: Value;
  readonly dY: Value;
  readonly places: Value;
  readonly axis: number;
}

type ScatterContext = Context<'data indices updates -> Y'>;

function reductionOf({ attributes }: Pick<ScatterContext, 'attributes'>): string {
  return attributes.string('reduction', 'none');
}

/**
 * Updates u that meet the data d at one place: add: both get dY; mul: dY times the product of all others; max and min:
 * dY where the result came from, in equal shares where several did.
 */
function throughReduction(context: ScatterContext & Reduced): { data: () => Value; updates: () => Value } {
  const { data, updates, Y, dY, places, axis, g } = context;
  const reduction = reductionOf(context);
  const scatter = (target: Value, X: Value, how: string) =>
    g.add('ScatterElements', [target, places, X], [[target.type, target.shape]], { axis, reduction: how })[0]!;
  const gathered = (X: Value) => gatherElements(g, X, places, axis);
  const [zero, one] = [g.scalar(0, dY.type), g.scalar(1, dY.type)];
  if (reduction === 'add') return { data: () => dY, updates: () => gathered(dY) };
  if (reduction === 'mul') {
    // As in ReduceProd: zeros are counted and left out of the product, which is then whole without its own factor.
    const [zeroData, zeroUpdates] = [g.equal(data, zero), g.equal(updates, zero)];
    const ones = (X: Value, isZero: Value) => g.where(isZero, one, X);
    const product = () => scatter(ones(data, zeroData), ones(updates, zeroUpdates), 'mul');
    const zeros = () => scatter(g.mask(zeroData, dY.type), g.mask(zeroUpdates, dY.type), 'add');
    const others = (X: Value, isZero: Value, all: Value, count: Value) =>
      g.where(g.equal(count, g.mask(isZero, dY.type)), g.div(all, ones(X, isZero)), zero);
    return {
      data: () => g.mul(dY, others(data, zeroData, product(), zeros())),
      updates: () => g.mul(gathered(dY), others(updates, zeroUpdates, gathered(product()), gathered(zeros()))),
    };
  }
  const dataWins = g.equal(data, Y);
  const updateWins = g.equal(updates, gathered(Y));
  const share = () => g.div(dY, scatter(g.mask(dataWins, dY.type), g.mask(updateWins, dY.type), 'add'));
  return {
    data: () => g.where(dataWins, share(), zero),
    updates: () => g.where(updateWins, gathered(share()), zero),
  };
}

/** Where along `axis` each element of the update is written: write_indices per batch, counted on, around the end if circular. */
function cachePlaces(
  { update, write_indices, present_cache, g, attributes }: Context<'past_cache update write_indices? -> present_cache'>,
  axis: number,
): Value {
  const rank = update.shape.length;
  const steps = g.constant(
    tensorOf(
      'int64',
      update.shape.map((dim, i) => (i === axis ? dim : 1)),
      range(update.shape[axis]!),
    ),
  );
  const starts = write_indices && g.reshape(write_indices, [update.shape[0]!, ...new Array<number>(rank - 1).fill(1)]);
  let places = starts ? g.plus(steps, starts) : steps;
  if (attributes.string('mode', 'linear') === 'circular') {
    places = g.binary('Mod', places, g.scalar(present_cache.shape[axis]!, 'int64'));
  }
  return g.expand(places, update.shape);
}

function gatherElements(g: GraphBuilder, X: Value, indices: Value, axis: number): Value {
  return g.add('GatherElements', [X, indices], [[X.type, indices.shape]], { axis })[0]!;
}

/**
 * Indices that name slices of a shape (as ScatterND and GatherND have them), counted in slices: `places` [count, size
 * of a slice] for a scatter along axis 0 of [slots, size]. Not by ScatterND: onnxruntime adds in parallel there, and
 * loses additions where indices repeat (measured with version 1.30).
 */
export function slicePlaces(
  g: GraphBuilder,
  indices: Value,
  shape: readonly number[],
  batchRank: number,
): { places: Value; slots: number } {
  const named = indices.shape.at(-1)!;
  const batch = shape.slice(0, batchRank);
  const dims = shape.slice(batchRank, batchRank + named);
  const size = sizeOf(shape.slice(batchRank + named));
  const count = sizeOf(indices.shape.slice(0, -1));

  const strides = dims.map((_, i) => sizeOf(dims.slice(i + 1)));
  const wrapped = g.binary('Mod', indices, g.ints(dims));
  let places = g.reduceSum(g.mul(wrapped, g.ints(strides)), [indices.shape.length - 1]);
  if (batchRank > 0) {
    const first = range(sizeOf(batch)).map((i) => i * sizeOf(dims));
    const rank = places.shape.length;
    places = g.plus(places, g.constant(tensorOf('int64', [...batch, ...new Array(rank - batchRank).fill(1)], first)));
  }
  return { places: g.expand(g.reshape(places, [count, 1]), [count, size]), slots: sizeOf(batch) * sizeOf(dims) };
}
