import { describe, expect, it } from 'vitest';
import { DataError, diagnose, readModel, renderTerminal } from '../src/node.ts';

describe('the library in Node', () => {
  it('diagnoses a file, or a model that was read, with the same result', async () => {
    const path = 'examples/sigmoid10.yaml';
    const messages: string[] = [];
    const options = { data: 'mnist', size: 8, onProgress: (message: string) => messages.push(message) };
    const fromFile = await diagnose(path, options);
    const fromModel = await diagnose(await readModel(path), { data: 'mnist', size: 8 });
    expect(fromFile.diagnosis.verdict).toBe('vanishing');
    expect(renderTerminal(fromFile)).toBe(renderTerminal(fromModel));
    expect(messages).not.toHaveLength(0);
  });

  it('rejects with an error that says what would be accepted', async () => {
    await expect(readModel('no-such-file.onnx')).rejects.toThrow(DataError);
    await expect(diagnose('examples/relu10.yaml', { data: 'minst' })).rejects.toMatchObject({
      code: 'no-data',
      hint: expect.stringContaining('did you mean "mnist"?'),
    });
  });
});
