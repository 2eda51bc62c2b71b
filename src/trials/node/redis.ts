import type { Redis } from 'ioredis';
import { DataError, UsageError } from '../../graph/errors.ts';
import { contentHash } from '../identify.ts';

/** Where everything in Redis is kept. */
export const PREFIX = 'gd';
/** Bytes of an artifact at most; Redis holds values of up to 512 MiB. */
export const ARTIFACT_LIMIT = 256 * 2 ** 20;
/** How long an artifact that nobody asks for any more is kept. */
const ARTIFACT_SECONDS = 3600;
/** A server that does not answer within this time is not reached. */
const CONNECT_SECONDS = 4;
/** Longest wait between two attempts to reach a server that was lost, in milliseconds. */
const LONGEST_RETRY = 2000;

/** Reasons of failed jobs that begin so are no fault of the trial: it is given to another worker. */
export const AGAIN = 'again: ';

/** Workers of one version share a queue: no other version ever gets its trials. */
export const queueName = (version: string) => `trials-${version.replace(/[^\w.+-]/g, '_')}`;
/** Exists while someone waits for the job's result. */
export const wantedKey = (job: string) => `${PREFIX}:wanted:${job}`;

const artifactKey = (hash: string) => `${PREFIX}:artifact:${hash}`;
const WORKERS = `${PREFIX}:workers`;
/** A worker that has not been heard of for so long is gone. */
export const WORKER_SECONDS = 15;

/** One worker process, as it announces itself. */
export interface WorkerEntry {
  readonly id: string;
  readonly host: string;
  readonly pid: number;
  readonly version: string;
  readonly concurrency: number;
}

/** The optional packages of the queue. */
export interface QueueLibraries {
  readonly bullmq: typeof import('bullmq');
  readonly ioredis: Pick<typeof import('ioredis'), 'Redis'>;
}

/** Loads BullMQ and ioredis. Throws UsageError that says what to install where they are missing. */
export async function loadQueueLibraries(): Promise<QueueLibraries> {
  try {
    const [bullmq, ioredis] = await Promise.all([import('bullmq'), import('ioredis')]);
    return { bullmq, ioredis };
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code !== 'ERR_MODULE_NOT_FOUND' && code !== 'MODULE_NOT_FOUND') throw cause;
    throw new UsageError('trials over a queue need BullMQ, which is not installed', {
      code: 'bullmq-missing',
      hint: 'npm install bullmq ioredis',
      cause,
    });
  }
}

/** A queue's URL for people: without user and password. Throws UsageError for what is no Redis URL. */
export function showQueue(url: string): string {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    throw notRedis();
  }
  // Never quoted: a URL that cannot be read may hold a password all the same.
  if (!['redis:', 'rediss:', 'valkey:', 'valkeys:'].includes(parsed.protocol) || parsed.hostname === '')
    throw notRedis();
  const database = parsed.pathname.replace(/^\/$/, '');
  if (!/^(\/\d+)?$/.test(database)) throw notRedis();
  return `${parsed.protocol}//${parsed.hostname}:${parsed.port || 6379}${database}`;
}

function notRedis(): UsageError {
  return new UsageError('the queue is no Redis URL', {
    code: 'option-value',
    where: '--queue',
    hint: 'expected redis://[:PASSWORD@]HOST[:PORT][/DATABASE], or rediss:// for TLS',
  });
}

/** What ioredis and BullMQ are given: commands wait for a lost server, which is tried again and again. */
export function connectionOptions(url: string) {
  return {
    // ioredis knows Redis' own schemes only.
    url: url.replace(/^valkey(s?):/i, 'redis$1:'),
    maxRetriesPerRequest: null,
    connectTimeout: 1000 * CONNECT_SECONDS,
    retryStrategy: (attempt: number) => Math.min(100 * attempt, LONGEST_RETRY),
  };
}

/**
 * Connects to a server that must be there; later losses are waited out, and told. Throws DataError within a few seconds
 * where it is not reached, refuses the password or is no Redis.
 */
export async function connectRedis(
  { ioredis: { Redis: Client } }: QueueLibraries,
  url: string,
  onNotice: (text: string) => void,
): Promise<Redis> {
  const shown = showQueue(url);
  const { url: address, ...options } = connectionOptions(url);
  const probe = new Client(address, { ...options, lazyConnect: true, retryStrategy: () => null });
  let reason: Error | undefined;
  probe.on('error', (error) => {
    reason ??= error;
  });
  let timer: NodeJS.Timeout | undefined;
  try {
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error('it does not answer')), 1000 * CONNECT_SECONDS);
    });
    await Promise.race([probe.connect().then(() => probe.ping()), late]);
  } catch (error) {
    throw unreachable(shown, reason ?? (error as Error));
  } finally {
    clearTimeout(timer);
    probe.disconnect();
  }
  const client = new Client(address, options);
  let lost = false;
  client.on('error', () => {});
  client.on('close', () => {
    if (lost || client.status === 'end') return;
    lost = true;
    onNotice(`the connection to ${shown} is lost; waiting for it to come back`);
  });
  client.on('ready', () => {
    if (lost) onNotice(`connected to ${shown} again`);
    lost = false;
  });
  return client;
}

function unreachable(shown: string, error: Error): DataError {
  const { code = '', message } = error as NodeJS.ErrnoException;
  const reasons: Record<string, string> = {
    ECONNREFUSED: 'nothing listens there',
    ENOTFOUND: 'there is no such host',
    EAI_AGAIN: 'there is no such host',
    ETIMEDOUT: 'it does not answer',
    EHOSTUNREACH: 'there is no way to that host',
    ECONNRESET: 'it hung up',
  };
  const refused = /^(WRONGPASS|NOAUTH|NOPERM)|invalid password|without any password/i.test(message);
  const why = refused
    ? 'it refuses the user or password'
    : (reasons[code] ?? message.replace(/\s+/g, ' ').slice(0, 200));
  return new DataError(`the queue cannot be reached: ${why}`, {
    code: 'queue-unreachable',
    where: shown,
    hint: refused ? 'redis://USER:PASSWORD@HOST:PORT' : 'start a Redis or Valkey server there, or name another',
    // Not the cause itself: the stack that --verbose shows would hold the command, and with it the password.
  });
}

/** Puts an artifact where workers find it, unless it is there, and keeps it for an hour from now. Throws DataError. */
export async function putArtifact(redis: Redis, hash: string, bytes: Uint8Array): Promise<void> {
  const key = artifactKey(hash);
  if ((await redis.expire(key, ARTIFACT_SECONDS)) === 1) return;
  if (bytes.length > ARTIFACT_LIMIT) {
    const [size, limit] = [bytes.length, ARTIFACT_LIMIT].map((length) => `${Math.ceil(length / 2 ** 20)} MiB`);
    throw new DataError(`${size} are too much for a queue, which carries ${limit} in one piece`, {
      code: 'artifact-too-large',
      hint: 'take fewer rows (--samples), or run the trials on this machine',
    });
  }
  await redis.set(key, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), 'EX', ARTIFACT_SECONDS);
}

/** Fetches an artifact and verifies it; undefined where there is none. Throws DataError for one that is damaged. */
export async function getArtifact(redis: Redis, hash: string): Promise<Uint8Array | undefined> {
  const key = artifactKey(hash);
  const length = await redis.strlen(key);
  if (length > ARTIFACT_LIMIT) throw new DataError(`${key} holds ${length} bytes`, { code: 'artifact-too-large' });
  const bytes = await redis.getBuffer(key);
  if (bytes === null) return undefined;
  if ((await contentHash(bytes)) === hash) return bytes;
  await redis.del(key);
  throw new DataError(`${key} does not hold what its hash says`, { code: 'artifact-damaged' });
}

/** Says that a worker is alive. Times are the server's: no two machines agree on theirs. */
export async function announce(redis: Redis, entry: WorkerEntry): Promise<void> {
  const [seconds] = await redis.time();
  await redis.zadd(WORKERS, Number(seconds) + WORKER_SECONDS, JSON.stringify(entry));
}

/** Takes a worker from the list. */
export async function retract(redis: Redis, entry: WorkerEntry): Promise<void> {
  await redis.zrem(WORKERS, JSON.stringify(entry));
}

/** The workers that were heard of lately. */
export async function listWorkers(redis: Redis): Promise<WorkerEntry[]> {
  const [seconds] = await redis.time();
  await redis.zremrangebyscore(WORKERS, '-inf', Number(seconds));
  return (await redis.zrange(WORKERS, 0, -1)).map((text) => JSON.parse(text) as WorkerEntry);
}
