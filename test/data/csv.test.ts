import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeCsv } from '../../src/data/csv.ts';
import { DataError } from '../../src/graph/errors.ts';
import { tensorOf } from '../../src/graph/tensor.ts';

const table = (text: string, target?: string) => decodeCsv(text, 'a.csv', { target });

function complaint(text: string | Uint8Array, target?: string): string {
  try {
    decodeCsv(text, 'a.csv', { target });
  } catch (error) {
    expect(error).toBeInstanceOf(DataError);
    return (error as DataError).describe();
  }
  throw new Error('nothing was thrown');
}

describe('decodeCsv', () => {
  it('reads the iris file as it is published: no header, species by name in the last column', () => {
    const iris = table(
      '5.1,3.5,1.4,0.2,Iris-setosa\n7.0,3.2,4.7,1.4,Iris-versicolor\n6.3,3.3,6.0,2.5,Iris-virginica\n4.9,3.0,1.4,0.2,Iris-setosa\n\n',
    );
    expect(iris.features.dims).toEqual([4, 4]);
    expect(iris.target).toEqual(tensorOf('int64', [4], [0, 1, 2, 0]));
    expect(iris.classes).toEqual(['Iris-setosa', 'Iris-versicolor', 'Iris-virginica']);
    expect(iris.notes).toEqual([
      'target: "column 5", 3 classes: Iris-setosa = 0, Iris-versicolor = 1, Iris-virginica = 2',
    ]);
  });

  it('finds the target by name, whatever its case and place', () => {
    const found = table('a,Label,b\n1,0,2\n3,1,4\n');
    expect(found.features).toEqual(tensorOf('float32', [2, 2], [1, 2, 3, 4]));
    expect(found.target).toEqual(tensorOf('int64', [2], [0, 1]));
    expect(found.featureNames).toEqual(['a', 'b']);
    expect(found.targetName).toBe('Label');
    expect(table('a,b,c\n1,2,3.5\n3,4,5\n').targetName).toBe('c');
    expect(table('a,b,c\n1,2,3.5\n3,4,5\n', 'a').targetName).toBe('a');
  });

  it('takes a pixel table with numbers for column names', () => {
    const digits = table('label,0,1,2\n7,0,128,255\n1,0,0,9\n');
    expect(digits.featureNames).toEqual(['0', '1', '2']);
    expect(digits.target).toEqual(tensorOf('int64', [2], [7, 1]));
    expect(digits.notes).toEqual(['target: "label", class labels from 1 to 7']);
  });

  it.each([
    ['semicolons', 'a;b;y\n1;2;0\n3;4;1\n'],
    ['tabs', 'a\tb\ty\n1\t2\t0\n3\t4\t1\n'],
    ['Windows line ends and a byte order mark', '\ufeffa,b,y\r\n1,2,0\r\n3,4,1\r\n'],
    ['quotes everywhere', '"a","b","y"\n"1","2","0"\n"3","4","1"'],
    ["numpy.savetxt's comment", '# a,b,y\n1.000e+00,2.0,0\n+3.,4e0,1\n'],
    ['blank lines and spaces', '\n a , b , y \n 1 , 2 , 0 \n\n 3 , 4 , 1 \n   \n'],
    ["pandas' index column", ',a,b,y\n0,1,2,0\n1,3,4,1\n'],
  ])('reads %s', (_, text) => {
    const read = table(text);
    expect(read.features).toEqual(tensorOf('float32', [2, 2], [1, 2, 3, 4]));
    expect(read.target).toEqual(tensorOf('int64', [2], [0, 1]));
    expect(read.featureNames).toEqual(['a', 'b']);
  });

  it('reads quoted delimiters, doubled quotes and line breaks, and still counts lines', () => {
    const read = table('"a, or ""A""","two\nlines",y\n1,2,no\n3,4,"yes, ""really"""\n');
    expect(read.featureNames).toEqual(['a, or "A"', 'two\nlines']);
    expect(read.classes).toEqual(['no', 'yes, "really"']);
    expect(complaint('"a","two\nlines",y\n1,2,0\n3,oops,1\n')).toMatch(/^a.csv:4, column 2 "two lines": "oops"/);
  });

  it('tells regression from classification', () => {
    const regression = table('x,y\n1,0.5\n2,1\n');
    expect(regression.target).toEqual(tensorOf('float32', [2, 1], [0.5, 1]));
    expect(regression.notes[0]).toContain('regression');
    const years = Array.from({ length: 100 }, (_, i) => `${i},${1900 + i}`).join('\n');
    expect(table(years).target!.type).toBe('float32');
    expect(table(years.replace(/^/, 'x,class\n')).target!.type).toBe('int64');
    const ten = Array.from({ length: 10 }, (_, i) => `${i},${i * i}`).join('\n');
    expect(table(ten).target!.type).toBe('float32');
    expect(table(`${ten}\n${ten}`).target!.type).toBe('int64');
    expect(table('1,b\n2,a\n3,B\n').target).toEqual(tensorOf('int64', [3], [2, 1, 0]));
    const signs = table('x,y\n1,-1\n2,1\n3,1\n');
    expect(signs.target).toEqual(tensorOf('int64', [3], [0, 1, 1]));
    expect(signs.classes).toEqual(['-1', '1']);
  });

  it('has no target where there is one column only', () => {
    expect(table('1\n2\n3\n').target).toBeUndefined();
    expect(table('1\n2\n3\n').features.dims).toEqual([3, 1]);
  });

  it('keeps infinities', () => {
    expect(table('a,y\ninf,0\n-Infinity,1\n').features.data).toEqual(new Float32Array([Infinity, -Infinity]));
  });

  it.each([
    ['a ragged row', 'a,b,y\n1,2,0\n3,4\n', /^a.csv:3: 2 cells where the header has 3$/],
    ['a ragged row without header', '1,2,0\n3,4,1,5\n', /^a.csv:2: 4 cells where line 1 has 3$/],
    ['a missing value', 'a,b,y\n1,2,0\n3,,1\n', /^a.csv:3, column 2 "b": missing value; fill or drop/],
    ['NA', 'a,b,y\nNA,2,0\n', /^a.csv:2, column 1 "a": missing value "NA"/],
    ['nan', '1,2,0\nnan,2,0\n', /^a.csv:2, column 1: missing value "nan"/],
    ['a missing label', 'a,y\n1,0\n2,\n', /^a.csv:3, column 2 "y": missing value ""/],
    ['text among features', 'a,b,y\n1,red,0\n', /^a.csv:2, column 2 "b": "red" is not a number; .*categories/],
    ['text in the first row', '1,abc,3\n1,2,3\n', /^a.csv:1, column 2: "abc" is not a number/],
    ['decimal commas', 'a;b;y\n1,5;2;0\n', /"1,5" is not a number; write decimals with a point/],
    ['one stray label', 'a,y\n1,0\n2,1\n3,x\n', /^a.csv:4, column 2 "y": "x" is not a number, most of its column is/],
    ['two targets', 'a,label,y\n1,0,1\n', /"label" and "y" could each be the target/],
    ['only a header', 'a,b,y\n', /has a header but no rows/],
    ['nothing', '', /is empty/],
    ['an open quote', 'a,y\n"1,2\n', /a.csv:2: a quote is opened and never closed/],
    ['text after a quote', 'a,y\n"1"2,0\n', /a.csv:2: "2" after a closing quote/],
    ['bytes that are no text', new Uint8Array([0xff, 0xfe, 0x31]), /not UTF-8/],
  ])('says of %s where and what', (_, text, expected) => {
    expect(complaint(text)).toMatch(expected);
  });

  it('lists the columns when the wanted target is not there', () => {
    expect(complaint('a,b\n1,2\n', 'c')).toBe('a.csv: has no column "c"; columns: a, b');
  });

  it('reads back any table of float32 numbers', () => {
    const rows = fc.tuple(fc.integer({ min: 2, max: 5 }), fc.integer({ min: 1, max: 8 })).chain(([columns, count]) =>
      fc.array(fc.array(fc.float({ noNaN: true }), { minLength: columns, maxLength: columns }), {
        minLength: count,
        maxLength: count,
      }),
    );
    fc.assert(
      fc.property(rows, fc.constantFrom(',', ';', '\t'), (numbers, delimiter) => {
        const read = table(numbers.map((row) => row.join(delimiter)).join('\n'));
        const features = numbers.flatMap((row) => row.slice(0, -1)).map((value) => (value === 0 ? 0 : value));
        expect(Array.from(read.features.data as Float32Array, (value) => (value === 0 ? 0 : value))).toEqual(features);
      }),
    );
  });

  it('never lets anything but a DataError out', () => {
    const text = fc.string({ unit: fc.constantFrom(...'01.5-e,;\t"\n\r a#'), maxLength: 40 });
    fc.assert(
      fc.property(text, (csv) => {
        try {
          table(csv);
        } catch (error) {
          expect(error).toBeInstanceOf(DataError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
