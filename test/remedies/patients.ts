export * from './structure/patient.ts';
