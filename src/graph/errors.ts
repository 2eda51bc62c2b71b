/** What every failure says: what is wrong, where, and what would be accepted. */
export interface ErrorDetails {
  /** Stable id, kebab-case. */
  code: string;
  /** File, node, tensor, line: the place, in words. */
  where?: string;
  /** What would be accepted, or what to do next. */
  hint?: string;
  cause?: unknown;
}

/**
 * Unusable input or usage: the user can mend it. The command line prints `message` as one line and exits with 2.
 * Subclasses name the layer that found the fault.
 */
export class UserError extends Error {
  readonly code: string;
  readonly where?: string;
  readonly hint?: string;

  constructor(message: string, details: ErrorDetails) {
    super(message, { cause: details.cause });
    this.name = new.target.name;
    this.code = details.code;
    this.where = details.where;
    this.hint = details.hint;
  }

  /** `where: message; hint`, on one line. */
  describe(): string {
    const place = this.where ? `${this.where}: ` : '';
    const hint = this.hint ? `; ${this.hint}` : '';
    return `${place}${this.message}${hint}`.replace(/\s*\n\s*/g, ' ');
  }
}

/** A file that cannot be read as what it claims or seems to be. */
export class ReaderError extends UserError {}
/** A graph whose gradient cannot be written. */
export class GradientError extends UserError {}
/** onnxruntime refused a graph or failed while running it. */
export class RuntimeFailure extends UserError {}
/** Data that do not fit the model, or do not exist. */
export class DataError extends UserError {}
/** Command-line options or arguments that make no sense. */
export class UsageError extends UserError {}
