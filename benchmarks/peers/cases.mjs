// What is timed: each case's sizes, inputs, needed work and the limit that it is held against.
import { gptCases } from './gpt_cases.mjs';

const float = 4;

/** Arrays of a case together are at least this large where memory is the limit, so that no
 * last-level cache holds what the next call reads. */
const beyondCaches = 256 << 20;

function attention(direction, { heads, keyValueHeads = heads, queries, keys = queries, width,
  causal = false, group, limit = 'flops', large = false }) {
  const backward = direction === 'backward';
  const pairs = heads * queries * (causal ? (keys + 1) / 2 : keys);
  const queryElements = heads * queries * width, keyElements = keyValueHeads * keys * width;
  const query = { dims: [1, heads, queries, width] };
  const key = { dims: [1, keyValueHeads, keys, width] };
  const passed = backward ? 2 : 1;
  const shape = `H${heads}${keyValueHeads === heads ? '' : `/${keyValueHeads}`} D${width} ` +
    (queries === keys ? `S${queries}` : `Sq${queries} Skv${keys}`) + (causal ? ' causal' : '');
  return {
    op: `attention-${direction}`, group: group ?? `attention ${direction}`, shape, limit, large,
    sizes: { batch: 1, heads, keyValueHeads, queries, keys, width, causal },
    inputs: { query, key, value: key, ...(backward ? { outputGradient: query } : {}) },
    // Two products of `width` multiply-adds for each visible pair forward, five backward.
    flops: (backward ? 10 : 4) * pairs * width,
    bytes: 2 * passed * float * (queryElements + keyElements),
  };
}

function norm(op, rows, width, residual, large = false) {
  const tensor = { dims: [rows, width] };
  const vector = { dims: [width], mean: 1, deviation: 0.1 };
  return {
    op, group: residual ? `${op} + residual` : op, shape: `${rows}×${width}`, limit: 'copy', large,
    sizes: { rows, width, residual },
    inputs: {
      input: tensor, ...(residual ? { residual: tensor } : {}), weight: vector,
      ...(op === 'layer-norm' ? { bias: vector } : {}),
    },
    flops: rows * width * (op === 'layer-norm' ? 8 : 4),
    // With a residual the sum is written, too.
    bytes: float * rows * width * (residual ? 4 : 2),
  };
}

function linear(rows, inputs, outputs) {
  return {
    op: 'linear', group: 'linear', shape: `${rows} tokens ${inputs}→${outputs}`, limit: 'flops',
    sizes: { rows, inputs, outputs },
    inputs: {
      input: { dims: [rows, inputs] },
      weight: { dims: [outputs, inputs], deviation: 1 / Math.sqrt(inputs) },
      bias: { dims: [outputs] },
    },
    flops: 2 * rows * inputs * outputs,
    bytes: float * (rows * inputs + inputs * outputs + outputs + rows * outputs),
  };
}

function feedForward(rows, width, hidden, activation) {
  return {
    op: 'feed-forward', group: `feed-forward ${activation}`,
    shape: `${rows} tokens ${width}→${hidden}→${width}`, limit: 'flops',
    sizes: { rows, width, hidden, activation },
    inputs: {
      input: { dims: [rows, width] },
      weight1: { dims: [hidden, width], deviation: 1 / Math.sqrt(width) },
      bias1: { dims: [hidden] },
      weight2: { dims: [width, hidden], deviation: 1 / Math.sqrt(hidden) },
      bias2: { dims: [width] },
    },
    flops: 4 * rows * width * hidden,
    bytes: float * (2 * rows * width + 2 * width * hidden + hidden + width),
  };
}

function withCopies(one) {
  const copies = one.limit === 'flops' ? 1 : Math.ceil(beyondCaches / one.bytes);
  return { ...one, large: Boolean(one.large), copies };
}

const forward = [
  ...[128, 512, 1024, 2048, 4096].map((queries) => ({ heads: 12, queries, width: 64 })),
  ...[1024, 2048].map((queries) => ({ heads: 12, queries, width: 128 })),
].map((sizes) => ({ ...sizes, large: sizes.queries * sizes.width > 1024 * 64 }));

/** Every case, in the order of the table. */
export const cases = [
  ...forward.map((sizes) => attention('forward', sizes)),
  ...forward.map((sizes) => attention('forward', { ...sizes, causal: true })),
  ...[512, 1024].flatMap((queries) => [false, true].map((causal) =>
    attention('backward', { heads: 12, queries, width: 64, causal, large: queries > 512 }))),
  ...[4096, 16384, 32768].map((keys) => attention('forward', {
    heads: 32, keyValueHeads: 8, queries: 1, keys, width: 128, group: 'attention decode',
    limit: 'read', large: keys > 4096,
  })),
  norm('layer-norm', 8192, 1024, true),
  norm('layer-norm', 8192, 1024, false),
  norm('rms-norm', 8192, 1024, true, true),
  norm('rms-norm', 8192, 1024, false),
  linear(512, 768, 3072),
  linear(512, 3072, 768),
  feedForward(512, 768, 3072, 'gelu'),
  feedForward(512, 768, 3072, 'gelu-tanh'),
].map(withCopies).concat(gptCases);
