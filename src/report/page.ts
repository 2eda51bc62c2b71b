import pc from 'picocolors';
import { clean, padTo, shorten, shortenPath, widthOf, wrap } from './text.ts';

/** What a terminal can show. */
export interface TerminalOptions {
  /** Width of the terminal; the report uses 40 to 100 columns of it. Default 80. */
  readonly columns?: number;
  /** Default false. */
  readonly colour?: boolean;
  /** False where only ASCII can be shown. Default true. */
  readonly unicode?: boolean;
}

type Paint = (text: string) => string;
const INDENT = '  ';
const LABEL = 11;
const FIGURE = 6;
/** Text beside something else gets at least this many cells. */
const NARROWEST = 24;

/** What a row begins with: a name in a column of `width` cells, and a figure. */
export interface RowHead {
  readonly name: string;
  readonly width: number;
  readonly figure?: string;
}

/** Collects a report's lines. Every text comes in here and is made harmless, and no line leaves wider than the page. */
export class Page {
  readonly width: number;
  readonly unicode: boolean;
  readonly paint: ReturnType<typeof pc.createColors>;
  readonly ellipsis: string;
  private readonly lines: string[] = [];

  constructor({ columns = 80, colour = false, unicode = true }: TerminalOptions) {
    this.width = Math.max(40, Math.min(Number.isFinite(columns) ? Math.floor(columns) : 80, 100)) - INDENT.length;
    this.unicode = unicode;
    this.paint = pc.createColors(colour);
    this.ellipsis = unicode ? '…' : '..';
  }

  /** A stranger's text, harmless and in the terminal's character set. */
  clean(text: string): string {
    return clean(text, this.unicode);
  }

  /** A name in at most `width` cells. */
  name(text: string, width: number): string {
    return shorten(this.clean(text), width, this.ellipsis);
  }

  /** A name made of parts in at most `width` cells. */
  path(text: string, width: number): string {
    return shortenPath(this.clean(text), width, this.ellipsis);
  }

  /** A line made of cleaned, measured parts. */
  raw(line: string): void {
    this.lines.push(line === '' ? '' : INDENT + line);
  }

  /** An empty line, never two. */
  gap(): void {
    if (this.lines.length > 0 && this.lines.at(-1) !== '') this.lines.push('');
  }

  /** A paragraph. */
  text(text: string, paint: Paint = plain): void {
    for (const line of wrap(this.clean(text), this.width)) this.raw(paint(line));
  }

  /** Texts side by side where they fit, below each other where not. */
  beside(texts: readonly string[]): void {
    const line = texts.map((text) => this.clean(text)).join('   ');
    if (widthOf(line) <= this.width) this.raw(line);
    else for (const text of texts) this.text(text);
  }

  /** `lead   text`, wrapped under itself. */
  lead(lead: string, text: string, paint: Paint = plain): void {
    const start = this.clean(lead).trimEnd() + (lead.endsWith('  ') ? '   ' : ' ');
    const indent = ' '.repeat(widthOf(start));
    wrap(this.clean(text), this.width - indent.length).forEach((line, i) => {
      this.raw(i === 0 ? paint(start + line) : indent + paint(line));
    });
  }

  /** `label   text`, wrapped under itself. An empty label continues the one before. */
  field(label: string, text: string, paint: Paint = plain): void {
    wrap(this.clean(text), this.width - LABEL).forEach((line, i) => {
      this.raw(this.paint.bold(padTo(i === 0 ? label : '', LABEL)) + paint(line));
    });
  }

  /** `label   name  figure   text`: the text wraps beside the others, or below them where there is no room. */
  row(label: string, { name, width, figure = '' }: RowHead, text: string): void {
    const room = this.width - LABEL - (figure === '' ? 0 : FIGURE + 2);
    const head = padTo(this.name(name, Math.min(width, room)), Math.min(width, room));
    const fixed = figure === '' ? head : `${head}  ${padTo(this.clean(figure), FIGURE, 'right')}`;
    const lead = this.paint.bold(padTo(label, LABEL)) + fixed;
    const beside = LABEL + widthOf(fixed) + 3;
    const fits = this.width - beside >= NARROWEST;
    const indent = fits ? beside : LABEL + 2;
    const lines = wrap(this.clean(text), this.width - indent);
    this.raw((fits && lines.length > 0 ? `${lead}   ${lines.shift()}` : lead).trimEnd());
    for (const line of lines) this.raw(' '.repeat(indent) + line);
  }

  /** The report. */
  toString(): string {
    return `${this.lines.join('\n').trimEnd()}\n`;
  }
}

function plain(text: string): string {
  return text;
}
