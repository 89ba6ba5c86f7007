// Random problems of ai.onnx Attention, opsets 23 and 24; see onnx_problems.mjs for their form.
// All numbers are multiples of 1/32 below 4: exact in binary16 and in bfloat16, so that one record
// serves every type. Stored as binary16; ONNX Runtime gets and gives binary32.
import { count, longs, real } from './onnx_tensors.mjs';

const scoreModes = ['raw', 'capped', 'masked', 'probabilities'];

function exact(draw, dims) {
  return real('float32', dims, Array.from({ length: count(dims) }, () => {
    const steps = Math.round(32 * draw.normal());
    return Math.max(-127, Math.min(127, steps)) / 32;
  }));
}

function booleans(draw, dims, share) {
  const data = Uint8Array.from({ length: count(dims) }, () => (draw.unit() < share ? 1 : 0));
  return { type: 'bool', dims, data };
}

// [B, H, S, D], or [B, S, H·D] where the problem is packed.
const headed = (draw, packed, [batch, heads, length, width]) => exact(draw, packed
  ? [batch, length, heads * width] : [batch, heads, length, width]);

// Rank 2 to 4, some axes 1, the last one now and then shorter than the keys.
function maskShape(draw, full, shortest) {
  const rank = draw.whole(2, 4);
  const dims = full.map((size, axis) => (axis < 2 && draw.unit() < 0.4 ? 1 : size)).slice(4 - rank);
  if (draw.unit() < 0.4) dims[rank - 1] = draw.whole(shortest, dims[rank - 1]);
  return dims;
}

// A mask of booleans or of numbers, −∞ among them. Now and then a query that sees nothing.
function addMask(draw, problem, dims, keys) {
  const boolean = draw.unit() < 0.5;
  const mask = boolean ? booleans(draw, dims, draw.of([0.9, 0.5])) : exact(draw, dims);
  if (!boolean && draw.unit() < 0.5) {
    mask.data.forEach((_, i, all) => { if (draw.unit() < 0.3) all[i] = -Infinity; });
  }
  if (draw.unit() < 0.3) {
    const row = draw.whole(0, dims.at(-2) - 1);
    for (let i = 0; i < mask.data.length; i++) {
      if (Math.floor(i / dims.at(-1)) % dims.at(-2) === row) mask.data[i] = boolean ? 0 : -Infinity;
    }
  }
  // ONNX Runtime 1.30 takes no mask that is shorter than the keys: it gets what the operator's
  // text makes of one.
  problem.inputs.mask = lengthened(mask, keys, boolean ? 0 : -Infinity);
  problem.stored.mask = boolean ? mask : real('float16', dims, mask.data);
  problem.command.push(boolean ? '--mask' : '--bias', '@mask');
}

// The same rows, with hidden keys up to the length asked for.
function lengthened({ type, dims, data }, keys, hidden) {
  const width = dims.at(-1), all = [...dims.slice(0, -1), keys];
  const longer = new data.constructor(count(all)).fill(hidden);
  data.forEach((value, i) => { longer[Math.floor(i / width) * keys + (i % width)] = value; });
  return { type, dims: all, data: longer };
}

function addNumber(draw, problem, attribute, option, choices) {
  if (draw.unit() < 0.6) return;
  const value = draw.of(choices);
  problem.attributes[attribute] = { float: value };
  problem.command.push(option, String(value));
}

/** A problem with `cache`: 'none', 'past' (inside the operator) or 'lengths' (outside of it). */
export function attention(draw, index, cache) {
  const batch = draw.whole(1, 3), keyHeads = draw.whole(1, 2);
  const heads = keyHeads * draw.whole(1, 3), queries = draw.whole(1, 6);
  const past = cache === 'past' ? draw.whole(1, 9) : 0;
  // With a past ONNX Runtime 1.30 shows a lone query every new key, causal or not.
  const keys = past > 0 && queries === 1 ? 1 : draw.of([1, 3, 5, 8, 9, 17]);
  const width = draw.of([1, 3, 4, 8, 12]), valueWidth = draw.of([width, width, 2, 5, 9]);
  const packed = draw.unit() < 0.4, total = past + keys;
  const problem = {
    op: 'Attention', opset: cache === 'lengths' ? 24 : draw.of([23, 24]), attributes: {}, stored: {},
    inputs: {
      q: headed(draw, packed, [batch, heads, queries, width]),
      k: headed(draw, packed, [batch, keyHeads, keys, width]),
      v: headed(draw, packed, [batch, keyHeads, keys, valueWidth]),
      mask: null, pastK: null, pastV: null, lengths: null,
    },
    outputs: [{ name: 'y', type: 'float32' }],
    command: ['attention', '--q', '@q', '--k', '@k', '--v', '@v'],
  };
  const { inputs, command, outputs } = problem;
  if (packed) {
    Object.assign(problem.attributes, { q_num_heads: heads, kv_num_heads: keyHeads });
    command.push('--heads', heads === keyHeads ? String(heads) : `${heads},${keyHeads}`);
  }
  let longest = 1;
  if (cache === 'lengths') {
    const lengths = Array.from({ length: batch }, () => draw.whole(0, keys));
    longest = Math.max(1, ...lengths);
    inputs.lengths = longs([batch], lengths);
    command.push('--kv-lengths', '@lengths');
  }
  if (draw.unit() < 0.6) {
    const dims = maskShape(draw, [batch, heads, queries, total], longest);
    addMask(draw, problem, dims, total);
  }
  if (cache === 'past') {
    inputs.pastK = exact(draw, [batch, keyHeads, past, width]);
    inputs.pastV = exact(draw, [batch, keyHeads, past, valueWidth]);
    command.push('--past-k', '@pastK', '--past-v', '@pastV');
  }
  if (draw.unit() < 0.5) {
    problem.attributes.is_causal = 1;
    command.push('--causal', 'past');
  }
  addNumber(draw, problem, 'scale', '--scale', [0.125, 0.75, 1]);
  addNumber(draw, problem, 'softcap', '--soft-cap', [0.5, 2, 30]);
  // Opset 23 does not know the lengths, not even as an input that is left out.
  if (inputs.lengths === null) delete inputs.lengths;
  outputs.push(null, null);
  if (cache === 'past') {
    outputs.splice(1, 2, { name: 'presentK', type: 'float32' }, { name: 'presentV', type: 'float32' });
    command.push('--present-k-out', '>presentK', '--present-v-out', '>presentV');
  }
  const mode = index % 5;
  if (mode < 4) {
    problem.attributes.qk_matmul_output_mode = mode;
    outputs.push({ name: 'scores', type: 'float32' });
    command.push('--scores', scoreModes[mode], '--scores-out', '>scores');
  }
  command.push('--out', '>y');
  for (const [name, tensor] of Object.entries(inputs)) {
    if (tensor?.type !== 'float32' || name === 'mask') continue;
    problem.stored[name] = real('float16', tensor.dims, tensor.data);
  }
  return problem;
}
