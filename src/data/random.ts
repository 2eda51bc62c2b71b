export { createRandom, naturalLog, type Random } from '../random/random.ts';
