import type { Source } from './source.ts';

/** A file that is no model this project reads, but that can be named. */
export interface Foreign {
  what: string;
  hint: string;
}

const torchExport =
  'export it to ONNX where the model is defined: torch.onnx.export(model, example_input, "model.onnx")';
const kerasExport = 'export it to ONNX: keras.models.load_model(file).export("model.onnx", format="onnx")';
const tensorflowExport = 'export it to ONNX: python -m tf2onnx.convert --saved-model DIR --output model.onnx';
const downloadAgain = 'download the file itself';

interface Signature extends Foreign {
  test(source: Source, head: string): boolean;
}

/** Known contents, first match wins. `head` is the first 64 KiB as latin-1. */
const signatures: readonly Signature[] = [
  {
    what: 'a Git LFS pointer, not the model it stands for',
    hint: 'run "git lfs pull" in the repository, or download the file itself',
    test: (_, head) => head.startsWith('version https://git-lfs.github.com/spec/'),
  },
  {
    what: 'an HTML page, probably a download page or an error message',
    hint: `${downloadAgain}; on GitHub and Hugging Face use the "raw" or "resolve" link`,
    test: (_, head) => /^\s*(<!--.*?-->\s*)?<(!doctype html|html|head|body)\b/is.test(head),
  },
  {
    what: 'a PyTorch checkpoint (.pt, .pth)',
    hint: torchExport,
    test: (_, head) => head.startsWith('PK') && /\/(data\.pkl|constants\.pkl|byteorder)/.test(head),
  },
  {
    what: 'a Keras 3 model (.keras)',
    hint: kerasExport,
    test: (_, head) => head.startsWith('PK') && /(config\.json|metadata\.json|model\.weights\.h5)/.test(head),
  },
  {
    what: 'a NumPy archive (.npz), which holds arrays and no network',
    hint: 'give the network as ONNX; arrays go to --data or --input',
    test: (_, head) => head.startsWith('PK') && /\.npy/.test(head),
  },
  {
    what: 'a zip archive',
    hint: 'unpack it and give the .onnx file in it',
    test: (_, head) => head.startsWith('PK\x03\x04'),
  },
  {
    what: 'an HDF5 file, as Keras and h5py write it (.h5)',
    hint: kerasExport,
    test: (_, head) => head.startsWith('\x89HDF\r\n\x1a\n'),
  },
  {
    what: 'a Python pickle, as torch.save wrote it before PyTorch 1.6',
    hint: torchExport,
    test: ({ bytes }) => bytes[0] === 0x80 && bytes[1]! >= 2 && bytes[1]! <= 5,
  },
  {
    what: 'a safetensors file, which holds weights and no network',
    hint: `load it into its model and ${torchExport}`,
    test: ({ bytes }, head) => bytes.length > 8 && /^\{\s*"/.test(head.slice(8)) && jsonHeaderFits(bytes),
  },
  {
    what: 'a GGUF file, which holds weights for llama.cpp and no network',
    hint: `load the original model and ${torchExport}`,
    test: (_, head) => head.startsWith('GGUF'),
  },
  {
    what: "a model in onnxruntime's own format (.ort)",
    hint: 'give the .onnx file it was made from',
    test: (_, head) => head.slice(4, 8) === 'ORTM',
  },
  {
    what: 'a TensorFlow Lite model',
    hint: 'convert it: python -m tf2onnx.convert --tflite model.tflite --output model.onnx',
    test: (_, head) => head.slice(4, 8) === 'TFL3',
  },
  {
    what: 'a TensorFlow SavedModel or frozen graph',
    hint: tensorflowExport,
    test: ({ bytes }, head) =>
      (bytes[0] === 8 || bytes[0] === 10) && /(Placeholder|saved_model|VarHandleOp|NoOp)/.test(head),
  },
  {
    what: 'a NumPy array (.npy), which is data and no network',
    hint: 'give the network as ONNX; arrays go to --input or --target',
    test: (_, head) => head.startsWith('\x93NUMPY'),
  },
  {
    what: 'a gzip-compressed file',
    hint: 'unpack it (gunzip, tar xzf) and give the .onnx file',
    test: (_, head) => head.startsWith('\x1f\x8b'),
  },
  {
    what: 'a tar archive',
    hint: 'unpack it and give the .onnx file in it',
    test: (_, head) => head.slice(257, 262) === 'ustar',
  },
  {
    what: 'an XML file, perhaps an OpenVINO network',
    hint: 'give the ONNX model it was made from',
    test: (_, head) => /^\s*<(\?xml|net)\b/.test(head),
  },
  {
    what: 'a TensorFlow.js model description',
    hint: 'load it in Python with tensorflowjs.converters.load_keras_model and export that to ONNX',
    test: (_, head) => /^\s*\{/.test(head) && /"(modelTopology|weightsManifest)"/.test(head),
  },
  {
    what: 'Python source, which has to be run to give a model',
    hint: torchExport,
    test: ({ name }, head) => /\.py$/i.test(name) || /^(import|from) \w+/m.test(head.slice(0, 2000)),
  },
];

/** What a file is that no reader takes, and how to get ONNX from it; undefined when it is not recognized. */
export function recognize(source: Source): Foreign | undefined {
  let head = '';
  for (const byte of source.bytes.subarray(0, 65536)) head += String.fromCharCode(byte);
  return signatures.find(({ test }) => test(source, head));
}

/** safetensors: eight bytes of little-endian header length, then that much JSON. */
function jsonHeaderFits(bytes: Uint8Array): boolean {
  const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  return length > 1n && length < 100_000_000n;
}
