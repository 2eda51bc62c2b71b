import { listDataSets } from '../data/data-sets.ts';
import { wrap } from '../report/text.ts';

/** The built-in data sets for a command's help, in lines of a terminal. */
export function dataSetsHelp(): string {
  const names = listDataSets().map(({ name, parameter }) => (parameter ? `${name}[:${parameter}]` : name));
  return wrap(`Data sets: ${names.join(', ')}.`, 80).join('\n');
}
