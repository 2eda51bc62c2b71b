/** Characters that move the cursor, end lines, reorder or hide text: C0, C1, bidirectional controls, lone surrogates. */
const unsafe = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu;
const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}\p{Emoji_Presentation}]/u;
const combining = /\p{M}/u;

/** What stands for a character where only ASCII can be shown; every other one becomes `?`. */
const ascii: ReadonlyMap<string, string> = new Map(
  (
    "σ=sigma χ=chi φ=phi δ=delta Δ=delta ∂=d ξ=xi ε=eps η=lr π=pi Π=prod Σ=sum μ=mu ′=' ’=' ‘=' “=\" ”=\" ‖=|| ·=* " +
    '×=x −=- –=- —=- …=... →=-> ←=<- ≤=<= ≥=>= ≈=~ ≠=!= ∞=inf √=sqrt ⟨=< ⟩=> ±=+/- ½=1/2 ⁻=^- ¹=1 ²=^2 ³=^3 ₀=0 ' +
    '₁=1 ₂=2 ✗=x ✓=ok ⋮=: Φ=Phi α=alpha β=beta γ=gamma λ=lambda ρ=rho τ=tau ℓ=l ' +
    '⊙=o ∼=~ ⇒==> ⌊=floor( ⌋=) ⁿ=^n ᵗ=^t ᵀ=^T ₜ=_t ₖ=_k ₗ=_l ₙ=_n ᵢ=_i ⱼ=_j ₊=+ ₋=- ᶻ=^z ê=e é=e ö=o ü=u ä=a ⁰=^0'
  )
    .split(' ')
    .map((pair) => [pair[0]!, pair.slice(2)]),
);

/**
 * Text of a stranger as one harmless line: control and formatting characters become visible escapes (`\x1b`), and
 * without `unicode` everything becomes ASCII.
 */
export function clean(text: string, unicode = true): string {
  const harmless = text.replace(/\s+/g, ' ').replace(unsafe, (char) => {
    const code = char.codePointAt(0)!;
    return code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
  });
  if (unicode) return harmless;
  return harmless.replace(/[^\x20-\x7e]/gu, (char) => ascii.get(char) ?? (combining.test(char) ? '' : '?'));
}

/** Cells of a terminal that a cleaned text takes: East Asian characters and emoji take two, combining marks none. */
export function widthOf(text: string): number {
  let width = 0;
  for (const char of text) width += char < '\u0300' ? 1 : combining.test(char) ? 0 : wide.test(char) ? 2 : 1;
  return width;
}

/** A text of at most `width` cells: the middle gives way to an ellipsis, for names differ at their ends. */
export function shorten(text: string, width: number, ellipsis = '…'): string {
  if (widthOf(text) <= width) return text;
  const chars = [...text];
  const room = width - widthOf(ellipsis);
  if (room < 1) return takeWidth(chars, width).join('');
  const tail = takeWidth(chars.toReversed(), Math.ceil(room / 2)).reverse();
  const head = takeWidth(chars, room - widthOf(tail.join('')));
  return head.join('') + ellipsis + tail.join('');
}

/**
 * A name of parts (`encoder.layer_3.attention.out`) in at most `width` cells: leading parts shrink to their first
 * letter and number (`e.l3.attention.out`, `i5b` for `inception5b`), because names of layers differ in numbers; then the middle gives way.
 */
export function shortenPath(text: string, width: number, ellipsis = '…'): string {
  const parts = text.split(/([./])/);
  for (let i = 0; i < parts.length - 1 && widthOf(parts.join('')) > width; i++) {
    parts[i] = initialOf(parts[i]!);
  }
  return shorten(parts.join(''), width, ellipsis);
}

function initialOf(part: string): string {
  return part.replace(
    /^(\p{L}).*$/u,
    (_, letter: string) => letter + (/\d+\p{L}{0,2}$/u.exec(part.slice(1))?.[0] ?? ''),
  );
}

/** A text filled up with spaces to `width` cells. */
export function padTo(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const fill = ' '.repeat(Math.max(0, width - widthOf(text)));
  return align === 'left' ? text + fill : fill + text;
}

/** Lines of at most `width` cells, broken at spaces; a word longer than a line is broken within. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (let word of text.split(' ').filter((part) => part !== '')) {
    if (line !== '' && widthOf(line) + 1 + widthOf(word) <= width) {
      line += ` ${word}`;
      continue;
    }
    if (line !== '') lines.push(line);
    while (widthOf(word) > width) {
      const head = takeWidth([...word], width);
      lines.push(head.join(''));
      word = [...word].slice(head.length).join('');
    }
    line = word;
  }
  if (line !== '') lines.push(line);
  return lines;
}

/** The first characters that together take at most `width` cells; at least one, so that callers always advance. */
function takeWidth(chars: readonly string[], width: number): string[] {
  const taken: string[] = [];
  let used = 0;
  for (const char of chars) {
    used += widthOf(char);
    if (used > width && taken.length > 0) break;
    taken.push(char);
  }
  return taken;
}

/** Code of several lines: line breaks and spaces stay, every other character that moves or hides text becomes visible. */
export function cleanCode(text: string, unicode = true): string {
  const lines = text.replaceAll('\r\n', '\n').replaceAll('\t', '    ').split('\n');
  const part = (piece: string) => (/^ *$/.test(piece) ? piece : clean(piece, unicode));
  return lines.map((line) => line.split(/( +)/).map(part).join('').trimEnd()).join('\n');
}
