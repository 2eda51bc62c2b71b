import { DataError } from '../../graph/errors.ts';
import type { RandomAccess } from '../../runtime/file-access.ts';
import { NPY_HEADER_BYTES, readNpyHeader } from '../npy.ts';
import { recordColumn } from './records.ts';
import type { Column } from './row-source.ts';

/** The rows of a .npy file of any size, read where they lie. Throws DataError. */
export async function openNpy(file: RandomAccess): Promise<Column> {
  const header = readNpyHeader(await file.read(0, Math.min(file.size, NPY_HEADER_BYTES)), file.name);
  const { shape, fortran } = header;
  if (shape.length === 0) {
    throw new DataError('holds one number, expected rows', { code: 'data-shape', where: file.name });
  }
  if (fortran && shape.length > 1) {
    throw new DataError('is in Fortran order: its rows lie scattered over the file', {
      code: 'npy',
      where: file.name,
      hint: 'numpy.save(file, numpy.ascontiguousarray(array))',
    });
  }
  return recordColumn(file, header);
}
