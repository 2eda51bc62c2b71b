import type { Remedy } from '../remedy.ts';
import { useFixupInit } from './fixup.ts';
import { useLsuvInit } from './lsuv.ts';
import { openForgetGate, useIdentityRecurrence, useOrthogonalRecurrence } from './recurrence.ts';
import { schemeRemedies } from './schemes.ts';
import { randomizeInit, zeroBiases } from './starts.ts';

/** Remedies that change first weights and biases alone. */
export const initializationRemedies: readonly Remedy[] = [
  ...schemeRemedies,
  useLsuvInit,
  useFixupInit,
  useIdentityRecurrence,
  useOrthogonalRecurrence,
  openForgetGate,
  randomizeInit,
  zeroBiases,
];
