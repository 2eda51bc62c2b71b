import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DataError } from '../../../src/graph/errors.ts';
import { crc32c, maskedCrc32c } from '../../../src/logs/tensorboard/crc32c.ts';
import { frameRecord, RecordParser } from '../../../src/logs/tensorboard/record.ts';

const ascii = (text: string) => new TextEncoder().encode(text);

describe('crc32c', () => {
  // RFC 3720, appendix B.4.
  it.each([
    ['32 zeros', new Uint8Array(32), 0x8a9136aa],
    ['32 ones', new Uint8Array(32).fill(0xff), 0x62a8ab43],
    ['0 to 31', Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
    ['31 to 0', Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113fdb5c],
    ['nothing', new Uint8Array(0), 0],
    ['the check string of every CRC catalogue', ascii('123456789'), 0xe3069283],
  ])('of %s', (_, bytes, expected) => expect(crc32c(bytes)).toBe(expected));

  it('masks as TensorBoard does', () => {
    expect(maskedCrc32c(Uint8Array.of(0x1a, 0x11, ...ascii('CRC test, one two')))).toBe(0x5794d08a);
  });

  it('goes on from an earlier checksum', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat(64), (bytes, cut) => {
        expect(crc32c(bytes.subarray(cut), crc32c(bytes.subarray(0, cut)))).toBe(crc32c(bytes));
      }),
    );
  });
});

describe('RecordParser', () => {
  // rustboard's tf_record.rs: a record of 24 bytes whose bytes are written out.
  const known = Uint8Array.of(
    ...[0x18, 0, 0, 0, 0, 0, 0, 0, 0xa3, 0x7f, 0x4b, 0x22],
    ...[0x09, 0, 0, 0xc0, 0x25, 0xdd, 0x75, 0xd5, 0x41, 0x1a, 0x0d, ...ascii('brain.Event:1')],
    ...[0xec, 0xf3, 0x32, 0x8d],
  );

  const readAll = (parser: RecordParser) => {
    const records: number[][] = [];
    for (let data = parser.next(); data; data = parser.next()) records.push([...data]);
    return records;
  };

  it('frames a known record', () => expect(frameRecord(known.subarray(12, 36))).toEqual(known));

  it('gives back what was framed, in whatever pieces it arrives', () => {
    const pieces = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 });
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 50 })), pieces, (records, sizes) => {
        const bytes = Uint8Array.from(records.flatMap((record) => [...frameRecord(record)]));
        const parser = new RecordParser('f');
        const found: number[][] = [];
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const size = sizes[i % sizes.length]!;
          parser.push(bytes.subarray(at, at + size));
          at += size;
          found.push(...readAll(parser));
        }
        expect(found).toEqual(records.map((record) => [...record]));
        expect([parser.offset, parser.waiting]).toEqual([bytes.length, 0]);
      }),
    );
  });

  it('waits for the rest of a record cut anywhere, and goes on when it comes', () => {
    for (let cut = 0; cut < known.length; cut++) {
      const parser = new RecordParser('f');
      parser.push(known.subarray(0, cut));
      expect(parser.next()).toBeUndefined();
      expect([parser.offset, parser.waiting]).toEqual([0, cut]);
      parser.push(known.subarray(cut));
      expect(parser.next()).toEqual(known.subarray(12, 36));
    }
  });

  it('tells damage from a record that is not whole, says where, and goes on behind damaged data', () => {
    for (let at = 0; at < known.length; at++) {
      const parser = new RecordParser('run/events', { offset: 100 });
      parser.push(Uint8Array.from(known, (byte, i) => (i === at ? byte ^ 1 : byte)));
      parser.push(known);
      const error = caught(() => parser.next());
      expect(error).toBeInstanceOf(DataError);
      expect(error.where).toBe('run/events, offset 100');
      if (at < 12) {
        expect(error.code).toBe('corrupt-length');
        expect(caught(() => parser.next()).code).toBe('corrupt-length');
      } else {
        expect(error.code).toBe('corrupt-record');
        expect(parser.next()).toEqual(known.subarray(12, 36));
      }
    }
  });

  it('refuses a length over the limit before waiting for it, checksum or not', () => {
    const parser = new RecordParser('f');
    const header = new Uint8Array(12);
    new DataView(header.buffer).setBigUint64(0, 2n ** 60n, true);
    new DataView(header.buffer).setUint32(8, maskedCrc32c(header.subarray(0, 8)), true);
    parser.push(header);
    expect(caught(() => parser.next()).code).toBe('record-too-large');
  });

  it('says that another kind of file is no event file', () => {
    const parser = new RecordParser('f');
    parser.push(ascii('PK\x03\x04 some archive'));
    expect(caught(() => parser.next()).hint).toContain('expected a TensorBoard event file');
  });
});

function caught(run: () => unknown): DataError {
  try {
    run();
  } catch (error) {
    return error as DataError;
  }
  throw new Error('nothing was thrown');
}
