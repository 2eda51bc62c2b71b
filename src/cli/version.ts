export { readVersion } from '../runtime/node/version.ts';
