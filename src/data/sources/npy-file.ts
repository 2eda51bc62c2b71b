import { DataError } from '../../graph/errors.ts';
import type { RandomAccess } from '../../runtime/file-access.ts';
import { decodeNpy, NPY_HEADER_BYTES, readNpyHeader } from '../npy.ts';
import { recordColumn } from './records.ts';
import { type Column, columnOf } from './row-source.ts';

/** Files up to this size are read whole where their rows do not lie one after the other. */
const HELD = 2 ** 30;

/**
 * The rows of a .npy file of any size along an axis, read where they lie; `axis` undefined: the array as it is for any
 * rows. Throws DataError.
 */
export async function openNpy(file: RandomAccess, ...along: [axis?: number | undefined]): Promise<Column> {
  const axis = along.length === 0 ? 0 : along[0];
  const header = readNpyHeader(await file.read(0, Math.min(file.size, NPY_HEADER_BYTES)), file.name);
  const { shape, fortran } = header;
  const scattered = axis !== 0 || (fortran && shape.length > 1);
  if (scattered && file.size <= HELD) {
    const tensor = decodeNpy(await file.read(0, file.size), file.name);
    await file.close();
    return columnOf(tensor, axis);
  }
  if (shape.length === 0) {
    throw new DataError('holds one number, expected rows', { code: 'data-shape', where: file.name });
  }
  if (scattered) {
    const why = axis === 0 ? 'is in Fortran order' : `counts its rows along axis ${axis}`;
    throw new DataError(`${why}: its rows lie scattered over ${file.size} bytes, more than are held at once`, {
      code: 'npy',
      where: file.name,
      hint: axis === 0 ? 'numpy.save(file, numpy.ascontiguousarray(array))' : 'fewer rows',
    });
  }
  return recordColumn(file, header);
}
