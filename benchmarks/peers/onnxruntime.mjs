// ONNX Runtime as a peer: node onnxruntime.mjs FOLDER THREADS, FOLDER holding the npm package
// onnxruntime-node.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { readNumbers, writeNumbers } from './inputs.mjs';
import { emptyWay, waysOf } from './onnxruntime_graphs.mjs';
import { CannotError, serve } from './peer_process.mjs';

const [folder, threads] = process.argv.slice(2);
const require = createRequire(join(folder, 'package.json'));
const ort = require('onnxruntime-node');

const sessionOptions = {
  intraOpNumThreads: Number(threads), interOpNumThreads: 1, graphOptimizationLevel: 'all',
  logSeverityLevel: 4,
};

/** One way to do the work: a session, and tensors for each copy of the inputs. */
class Work {
  #session;
  #way;
  #copies;
  #next = 0;

  static async create(way, copies) {
    const work = new Work();
    work.#way = way;
    const more = way.before ? await outputsOf(way.before) : {};
    work.#session = await ort.InferenceSession.create(way.model, sessionOptions);
    work.#copies = Array.from({ length: copies }, (_, index) =>
      ({ ...bind(way, index > 0), ...more }));
    await work.time(1); // Some operators refuse their inputs only here.
    return work;
  }

  async time(calls) {
    const times = [];
    for (let i = 0; i < calls; i++) {
      const feeds = this.#copies[this.#next++ % this.#copies.length];
      const start = process.hrtime.bigint();
      await this.#session.run(feeds, this.#way.probes);
      times.push(Number(process.hrtime.bigint() - start) / 1e6);
    }
    return times;
  }

  async write(target) {
    const { results } = this.#way;
    const outputs = await this.#session.run(this.#copies[0], Object.keys(results));
    for (const [name, { layout }] of Object.entries(results)) {
      writeNumbers(target, name, layout(outputs[name].data));
    }
  }

  async release() {
    await this.#session.release();
  }
}

function bind({ feeds }, copied) {
  return Object.fromEntries(Object.entries(feeds).map(([name, { type, dims, data }]) =>
    [name, new ort.Tensor(type, copied ? data.slice() : data, dims)]));
}

// What a model gives that is run once.
async function outputsOf({ model, feeds, outputs, feedsOf }) {
  const session = await ort.InferenceSession.create(model, sessionOptions);
  try {
    return feedsOf(await session.run(bind({ feeds }, false), outputs));
  } finally {
    await session.release();
  }
}

function median(values) {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

// The binding's own time, which is no merit of the kernels: taken off every call.
const empty = await Work.create(emptyWay(), 1);
await empty.time(500);
const callMs = median(await empty.time(500));
await empty.release();

let works = {};

async function release() {
  for (const work of Object.values(works)) await work.release();
  works = {};
}

async function prepare(caseFolder) {
  await release();
  const { op, sizes, shapes, copies } =
    JSON.parse(readFileSync(join(caseFolder, 'case.json'), 'utf8'));
  const inputs = Object.fromEntries(
    Object.keys(shapes).map((name) => [name, readNumbers(caseFolder, name)]));
  const refusals = [];
  for (const [name, way] of Object.entries(waysOf(op, sizes, inputs))) {
    try {
      works[name] = await Work.create(way, copies);
    } catch (error) {
      refusals.push(`${name}: ${error.message}`);
    }
  }
  if (Object.keys(works).length === 0) throw new CannotError(refusals.join('; '));
  return Object.keys(works);
}

await serve({
  hello: () => ({
    peer: 'ONNX Runtime', callMs,
    versions: {
      'onnxruntime-node': require('onnxruntime-node/package.json').version,
      'Node.js': process.version,
    },
  }),
  prepare,
  run: async (variant, calls) =>
    (await works[variant].time(Number(calls))).map((ms) => Math.max(ms - callMs, 0)),
  write: (variant, target) => works[variant].write(target),
  release,
});
