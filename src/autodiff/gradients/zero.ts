/** Operators whose gradient is zero by mathematics, with the reason. */
export const zeroOnPurpose: Record<string, string> = {};
