import { describe, expect, it } from 'vitest';
import { showCount, showDecades, showNumber, showPower } from '../../src/report/numbers.ts';
import { clean, shorten, shortenPath, widthOf, wrap } from '../../src/report/text.ts';

describe('text for terminals', () => {
  it('makes escape sequences visible instead of sending them', () => {
    expect(clean('\x1b[2J\x07a\tb\nc')).toBe('\\x1b[2J\\x07a b c');
    expect(clean('a\u202eb')).toBe('a\\u{202e}b');
  });

  it('spells mathematics in ASCII', () => {
    expect(clean('σ′ ≤ 0.25, ‖g‖² → 0', false)).toBe("sigma' <= 0.25, ||g||^2 -> 0");
    expect(clean('模ж', false)).toBe('??');
  });

  it('counts the cells of wide and combining characters', () => {
    expect(widthOf('abc')).toBe(3);
    expect(widthOf('模型')).toBe(4);
    expect(widthOf('e\u0301')).toBe(1);
    expect(widthOf('🔥')).toBe(2);
  });

  it('shortens names in the middle', () => {
    expect(shorten('encoder.layer.11.output.dense', 15)).toBe('encoder…t.dense');
    expect(shorten('short', 15)).toBe('short');
    expect(widthOf(shorten('模型模型模型', 7))).toBeLessThanOrEqual(7);
  });

  it('shortens paths by their leading parts and keeps the numbers', () => {
    const layer = (n: number) => `encoder.layers.encoder_layer_${n}.self_attention.out_proj`;
    expect(shortenPath(layer(3), 20)).toBe('e.l.e3.s.out_proj');
    expect(shortenPath(layer(11), 20)).toBe('e.l.e11.s.out_proj');
    expect(shortenPath('stage2.conv2d', 20)).toBe('stage2.conv2d');
    expect(shortenPath('layer4.0.downsample.0', 20)).toBe('l4.0.downsample.0');
    expect(shortenPath('inception5b.branch4.1.conv', 23)).toBe('i5b.branch4.1.conv');
    expect(shortenPath('mixed_7.conv2d_17.beta', 12)).toBe('m7.c17.beta');
    expect(widthOf(shortenPath(layer(11), 12))).toBe(12);
  });

  it('breaks lines at spaces, and words that are longer than a line', () => {
    expect(wrap('one two three', 7)).toEqual(['one two', 'three']);
    expect(wrap('abcdefghij k', 4)).toEqual(['abcd', 'efgh', 'ij k']);
  });
});

describe('numbers for people', () => {
  it('signs decades, and never shows minus zero', () => {
    expect([-5.94, 0.1, -0.01, 0, Number.NEGATIVE_INFINITY, Number.NaN].map(showDecades)).toEqual([
      '-5.9',
      '+0.1',
      '0.0',
      '0.0',
      '-∞',
      'NaN',
    ]);
    for (const decades of [-999.95, 1000, -99_999.9, -1e300])
      expect(showDecades(decades).length).toBeLessThanOrEqual(6);
  });

  it('shows powers of ten beyond float64', () => {
    expect(showPower(-400)).toBe('1.0e-400');
    expect(showPower(-400.0000001)).toBe('1.0e-400');
    expect(showPower(Math.log10(9.8e-1))).toBe('9.8e-1');
    expect(showPower(400.5)).toBe('3.2e400');
    expect(showPower(Number.NEGATIVE_INFINITY)).toBe('0');
  });

  it('groups thousands', () => {
    expect([0, 999, 1000, 170110, 1234567].map(showCount)).toEqual(['0', '999', '1 000', '170 110', '1 234 567']);
  });

  it('keeps evidence short', () => {
    expect([11, -6.1312, 0.00012, 2.5e7, Number.NaN].map(showNumber)).toEqual([
      '11',
      '-6.13',
      '1.2e-4',
      '2.5e7',
      'NaN',
    ]);
  });
});
