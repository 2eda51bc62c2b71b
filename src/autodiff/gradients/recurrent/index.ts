import type { Rule } from '../../rule.ts';
import { GRU } from './gru.ts';
import { LSTM } from './lstm.ts';
import { RNN } from './rnn.ts';

/** Recurrent layers: backpropagation through time. */
export const recurrent: Record<string, Rule> = { RNN, LSTM, GRU };
