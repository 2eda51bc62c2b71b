/** What is pushed comes out in order, to one reader; what was pushed before the end still does. */
export class Channel<T> {
  #values: T[] = [];
  #ended = false;
  #error: unknown;
  #wake: () => void = () => {};

  /** Adds a value; after the end it is dropped. */
  push(value: T): void {
    if (!this.#ended) this.#values.push(value);
    this.#wake();
  }

  /** No more values come; with an error, the reader gets it after the last of them. */
  end(error?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (;;) {
      while (this.#values.length > 0) yield this.#values.shift()!;
      if (this.#ended) break;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#error !== undefined) throw this.#error;
  }
}
