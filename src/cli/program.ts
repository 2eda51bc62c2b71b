import { Command, CommanderError } from 'commander';
import { reportFailure } from './fail.ts';
import { guardStreams } from './output.ts';
import { readVersion } from './version.ts';

/** A command's file: declares options, and says what to run. */
export interface CommandModule {
  configure(command: Command): void;
}

/** One line of the overview, and where the rest is; nothing of a command is loaded before it is called. */
const commands: readonly { name: string; summary: string; load: () => Promise<CommandModule> }[] = [
  {
    name: 'diagnose',
    summary: 'find where the gradient vanishes or explodes, and why',
    load: () => import('./commands/diagnose.ts'),
  },
  {
    name: 'compare',
    summary: 'two models or two reports side by side: what got better or worse',
    load: () => import('./commands/compare.ts'),
  },
  {
    name: 'theory',
    summary: 'predict the decay from the weights alone, without data or a run',
    load: () => import('./commands/theory.ts'),
  },
  {
    name: 'train',
    summary: 'train with the monitors on, stop on a fault, log the run',
    load: () => import('./commands/train.ts'),
  },
  {
    name: 'treat',
    summary: 'redesign a sick network, and prove it by training',
    load: () => import('./commands/treat.ts'),
  },
  {
    name: 'differentiate',
    summary: 'write the model with its loss and gradients as a plain ONNX file',
    load: () => import('./commands/differentiate.ts'),
  },
  {
    name: 'explain',
    summary: 'a rule, a remedy, an activation: the mathematics with numbers',
    load: () => import('./commands/explain.ts'),
  },
  {
    name: 'worker',
    summary: 'run trials for others, over a Redis or Valkey queue',
    load: () => import('./commands/worker.ts'),
  },
];

const examples = `
Examples:
  gradient-doctor diagnose model.onnx                   made-up inputs
  gradient-doctor diagnose model.onnx --data mnist      real digits
  gradient-doctor diagnose model.onnx --input x.npy --target y.npy
  gradient-doctor diagnose model.onnx --check           exit 1 on an error
  gradient-doctor diagnose network.yaml --format json   for scripts
  gradient-doctor train network.yaml --data mnist --out runs/first`;

/** Runs the command line and sets the exit code: 0 done, 1 `--check` found errors, 2 unusable input or usage. */
export async function run(args: readonly string[]): Promise<void> {
  guardStreams();
  const verbose = args.includes('--verbose');
  const fail = (error: unknown) => {
    process.exitCode = reportFailure(error, { verbose });
  };
  process.on('uncaughtException', (error) => {
    fail(error);
    process.exit();
  });
  try {
    const program = await buildProgram(args);
    await program.parseAsync([...args], { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return;
    fail(error);
  }
}

async function buildProgram(args: readonly string[]): Promise<Command> {
  const program = new Command('gradient-doctor')
    .description("Finds where a network's gradient vanishes or explodes, and which chain-rule factor did it.")
    .version(readVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show this help')
    .helpCommand('help [command]', 'show the help of a command')
    .addHelpText('after', examples)
    .configureHelp({ showGlobalOptions: false })
    .configureOutput({ outputError: () => {} })
    .showSuggestionAfterError(true)
    .exitOverride();
  for (const { name, summary, load } of commands) {
    const command = program.command(name).summary(summary).description(summary);
    if (args.includes(name)) (await load()).configure(command);
  }
  return program;
}
