/** Operators without a gradient here, with the reason a user reads. */
export const unsupported: Record<string, string> = {};
