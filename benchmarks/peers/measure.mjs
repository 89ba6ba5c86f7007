// One case: inputs, warm-up, comparison of outputs, and calls of all peers in turns.
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { readNumbers, relativeError, writeInputs } from './inputs.mjs';
import { CannotError } from './peer_process.mjs';

// Idle threads of a peer look for work for some milliseconds before they sleep.
const settleMs = 30;

// The runtime compiles hot methods again once nothing new came for 100 ms.
const tierUpMs = 250;

/** Peers whose outputs differ by more did not do the same work. */
export const tolerance = 1e-4;

/** Median, quartiles and extremes of calls in milliseconds. */
export function spread(times) {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share) => {
    const place = share * (sorted.length - 1), low = Math.floor(place);
    const high = Math.min(low + 1, sorted.length - 1);
    return sorted[low] + (place - low) * (sorted[high] - sorted[low]);
  };
  return {
    median: at(0.5), firstQuartile: at(0.25), thirdQuartile: at(0.75), min: sorted[0],
    max: sorted.at(-1), calls: sorted.length,
  };
}

/**
 * Measures a case on every peer, the first one being ours.
 * @param {{rounds: number, turnSeconds: number, scratch: string}} settings scratch: a folder
 * @returns {Promise<{ms: object|null, cannot?: string, others: object[]}>} ours, null with the
 *   reason where the library has no such op, and for each way of the others {peer, variant, ms,
 *   relativeErrors}, or {peer, cannot}
 */
export async function measure(one, peers, settings) {
  const folder = join(settings.scratch, 'case');
  mkdirSync(folder);
  try {
    writeInputs(folder, one);
    const { ways, absent } = await prepared(folder, one, peers, settings);
    // Outputs are compared with ours, or else with the first's.
    const expected = await outputs(ways[0], folder);
    for (const way of ways.slice(1)) {
      const actual = await outputs(way, folder);
      way.relativeErrors = Object.fromEntries(Object.entries(expected).map(([name, values]) =>
        [name, relativeError(actual[name], values)]));
    }
    await alternate(ways, settings);
    const ours = ways.find((way) => way.peer === peers[0]);
    return {
      ms: ours ? spread(ours.times) : null,
      ...(ours ? {} : { cannot: absent.find(({ peer }) => peer === peers[0].name).cannot }),
      others: [
        ...ways.filter((way) => way !== ours).map(({ peer, variant, times, relativeErrors }) =>
          ({ peer: peer.name, variant, ms: spread(times), relativeErrors })),
        ...absent.filter(({ peer }) => peer !== peers[0].name),
      ],
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
    for (const peer of peers) await peer.ask('release').catch(() => {});
  }
}

async function prepared(folder, one, peers, settings) {
  const ways = [], absent = [];
  for (const peer of peers) {
    let variants;
    try {
      variants = await peer.ask('prepare', folder);
    } catch (error) {
      if (!(error instanceof CannotError)) throw error;
      absent.push({ peer: peer.name, cannot: error.message });
      continue;
    }
    for (const variant of variants) {
      const way = { peer, variant, times: [], copies: one.copies };
      await warmUp(way, settings);
      await pause(tierUpMs);
      const ms = await warmUp(way, settings);
      way.calls = Math.min(Math.max(Math.round(1000 * settings.turnSeconds / ms), 1), 200);
      ways.push(way);
    }
  }
  if (ways.length === 0) {
    throw new Error(`no peer can: ${absent.map((one) => `${one.peer}: ${one.cannot}`).join('; ')}`);
  }
  return { ways, absent };
}

// Calls for a while, twice on every copy at least: the system hands out the pages of outputs when
// they are first written. Returns the milliseconds of the fastest call.
async function warmUp({ peer, variant, copies }, { turnSeconds }) {
  let fastest = Infinity;
  const end = Date.now() + 2000 * turnSeconds;
  do {
    fastest = Math.min(fastest, ...await peer.ask('run', variant, 2 * copies));
  } while (Date.now() < end);
  return Math.max(fastest, 1e-3);
}

async function outputs({ peer, variant }, folder) {
  const target = join(folder, 'outputs');
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target);
  await peer.ask('write', variant, target);
  return Object.fromEntries(readdirSync(target).map((file) => {
    const name = file.replace(/\.f32$/, '');
    return [name, readNumbers(target, name)];
  }));
}

// Every round begins with another peer. The first of several calls of a turn is not counted: it
// finds the caches full of another peer's data. A call that fills a turn does not notice.
async function alternate(ways, { rounds }) {
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < ways.length; i++) {
      const { peer, variant, calls, times } = ways[(i + round) % ways.length];
      await pause(settleMs);
      const skipped = calls > 1 ? 1 : 0;
      times.push(...(await peer.ask('run', variant, calls + skipped)).slice(skipped));
    }
  }
}
