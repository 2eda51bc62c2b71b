import { DataError } from '../../graph/errors.ts';
import type { Dim, ValueInfo } from '../../graph/graph.ts';
import { tensorOf } from '../../graph/tensor.ts';
import type { FileAccess } from '../../runtime/file-access.ts';
import { checkSize, showShape } from '../dims.ts';
import type { RowSource } from './row-source.ts';

const endings = /\.(png|jpe?g|webp|gif|avif|tiff?|bmp)$/i;
/** A folder of classes is not a disk. */
const MOST_CLASSES = 100_000;

/**
 * Images by class: one sub-folder for each class, labels in the order of their names. Pixels are float32 in [0, 1], laid
 * out as the model's input is: [N, C, H, W] or [N, H, W, C], scaled to its height and width; where it leaves them open,
 * to the first image's. Throws DataError.
 */
export async function openImages(
  files: FileAccess,
  path: string,
  modelInputs: readonly ValueInfo[],
): Promise<RowSource> {
  const decoder = await files.images();
  const { folders } = await files.list(path);
  if (folders.length === 0 || folders.length > MOST_CLASSES) {
    throw new DataError(`${folders.length} sub-folders, expected one for each class`, {
      code: 'image-folder',
      where: path,
      hint: 'FOLDER/CLASS/IMAGE.png',
    });
  }
  const paths: string[] = [];
  const labels: number[] = [];
  for (const [label, folder] of folders.entries()) {
    const images = (await files.list(`${path}/${folder}`)).files.filter((name) => endings.test(name));
    if (images.length === 0) {
      throw new DataError('holds no images', {
        code: 'image-folder',
        where: `${path}/${folder}`,
        hint: 'accepted: .png .jpg .webp .gif .avif .tif',
      });
    }
    for (const name of images) {
      paths.push(`${path}/${folder}/${name}`);
      labels.push(label);
    }
  }
  const info = modelInputs.length === 1 ? modelInputs[0]! : undefined;
  const form = info?.shape && formOf(info.shape);
  if (!info || !form) {
    const found = info ? `"${info.name}" wants ${showShape(info.shape)}` : `${modelInputs.length} inputs`;
    throw new DataError(`images feed a model of one input [N, C, H, W] or [N, H, W, C]; here ${found}`, {
      code: 'data-shape',
      where: path,
    });
  }
  const own = form.height === undefined || form.width === undefined ? await decoder.sizeOf(paths[0]!) : undefined;
  const height = form.height ?? own!.height;
  const width = form.width ?? own!.width;
  const { channels, first } = form;
  checkSize([1, channels, height, width], path);
  const pixels = height * width;
  const shown = folders.slice(0, 10).map((folder, label) => `${folder} = ${label}`);
  return {
    name: path.replace(/[\\/]+$/, '').replace(/^.*[\\/]/, ''),
    real: true,
    rows: paths.length,
    sorted: true,
    whole: true,
    notes: [
      `images were scaled to ${height}×${width}, ${channels === 1 ? 'grey' : `${channels} channels`} in [0, 1]`,
      `${folders.length} classes: ${shown.join(', ')}${folders.length > 10 ? ', …' : ''}`,
    ],
    labels: async () => labels,
    close: async () => undefined,
    async read(rows) {
      const data = new Float32Array(rows.length * channels * pixels);
      await Promise.all(
        Array.from(rows, async (row, i) => {
          const bytes = await decoder.decode(paths[row]!, width, height, channels);
          const offset = i * channels * pixels;
          for (let p = 0; p < pixels; p++) {
            for (let c = 0; c < channels; c++) {
              data[offset + (first ? c * pixels + p : p * channels + c)] = bytes[p * channels + c]! / 255;
            }
          }
        }),
      );
      const dims = first ? [rows.length, channels, height, width] : [rows.length, height, width, channels];
      return {
        inputs: new Map([[info.name, { type: 'float32', dims, data }]]),
        target: tensorOf(
          'int64',
          [rows.length],
          Array.from(rows, (row) => labels[row]!),
        ),
      };
    },
  };
}

interface Form {
  channels: 1 | 3 | 4;
  /** Whether channels come before height and width. */
  first: boolean;
  height?: number;
  width?: number;
}

/** How an input of rank 4 lays out an image; channels that are left open are 3, first. */
function formOf(shape: readonly Dim[]): Form | undefined {
  if (shape.length !== 4) return undefined;
  const size = (dim: Dim) => (typeof dim === 'number' ? dim : undefined);
  const channelsOf = (dim: Dim | undefined) => (dim === 1 || dim === 3 || dim === 4 ? dim : undefined);
  const [, a, b, c] = shape as [Dim, Dim, Dim, Dim];
  const before = channelsOf(a) ?? (typeof a === 'number' || channelsOf(c) !== undefined ? undefined : 3);
  if (before !== undefined) return { channels: before, first: true, height: size(b), width: size(c) };
  const after = channelsOf(c);
  return after === undefined ? undefined : { channels: after, first: false, height: size(a), width: size(b) };
}
