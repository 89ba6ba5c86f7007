// The ONNX graphs that do a case's work: one for each way that ONNX Runtime has.
//
// A way is { model, feeds, results, shared }: the model's bytes; the tensors that it is fed, as
// {type, dims, data}; its float32 outputs by name, as {dims, as, layout}, `as` being the case's
// name of it and `layout` rearranging it to the case's layout; and outputs that are written into
// the memory of a feed, as name → feed.
import {
  ElementType, graphModel,
} from '../../tests/Transformer.Cli.Tests/Onnx/onnx_model.mjs';
import { CannotError } from './peer_process.mjs';

const epsilon = { float: 1e-5 };
const contrib = 'com.microsoft';
const same = (values) => values;

/** Every way to do a case's work, by name. */
export function waysOf(op, sizes, inputs) {
  switch (op) {
    case 'attention-forward': return attention(sizes, inputs);
    case 'layer-norm': return layerNorm(sizes, inputs);
    case 'rms-norm': return rmsNorm(sizes, inputs);
    case 'linear': return linear(sizes, inputs);
    case 'feed-forward': return feedForward(sizes, inputs);
    default: throw new CannotError(`no operator for ${op}`);
  }
}

function way({ nodes, feeds, results, constants = {}, shared = {} }) {
  const model = graphModel({
    opsets: { '': 23, [contrib]: 1 }, nodes, constants,
    inputs: Object.entries(feeds).map(([name, { type, dims }]) =>
      ({ name, type: ElementType[type], rank: dims.length })),
    outputs: [...Object.keys(results), ...Object.keys(shared)].map((name) =>
      ({ name, type: ElementType.float32 })),
  });
  return { model, feeds, results, shared };
}

const floats = (dims, data) => ({ type: 'float32', dims, data });

/** [first, second, width] to [second, first, width]. */
function swapped(values, first, second, width) {
  const out = new Float32Array(values.length);
  for (let i = 0; i < first; i++) {
    for (let j = 0; j < second; j++) {
      const from = (i * second + j) * width;
      out.set(values.subarray(from, from + width), (j * first + i) * width);
    }
  }
  return out;
}

// The cases have a batch of one, so [H, S, D] and [S, H, D] differ by one exchange.
function attention(sizes, { query, key, value }) {
  const { heads, keyValueHeads, queries, keys, width, causal } = sizes;
  const headMajor = { output: { as: 'output', dims: [1, heads, queries, width], layout: same } };
  const rows = {
    output: {
      as: 'output', dims: [1, queries, heads * width],
      layout: (values) => swapped(values, queries, heads, width),
    },
  };
  const ways = {
    Attention: way({
      nodes: [{
        op: 'Attention', attributes: { is_causal: Number(causal) },
        inputs: ['query', 'key', 'value'], outputs: ['output'],
      }],
      feeds: {
        query: floats([1, heads, queries, width], query),
        key: floats([1, keyValueHeads, keys, width], key),
        value: floats([1, keyValueHeads, keys, width], value),
      },
      results: headMajor,
    }),
  };
  const packed = (values, count, length) =>
    floats([1, length, count * width], swapped(values, count, length, width));
  if (heads === keyValueHeads) {
    ways.MultiHeadAttention = way({
      nodes: [{
        op: 'MultiHeadAttention', domain: contrib,
        attributes: { num_heads: heads, unidirectional: Number(causal) },
        inputs: ['query', 'key', 'value'], outputs: ['output'],
      }],
      feeds: {
        query: packed(query, heads, queries), key: packed(key, heads, keys),
        value: packed(value, heads, keys),
      },
      results: rows,
    });
  }
  // Causal by definition; of a single query it sees all keys.
  if (causal || queries === 1) ways.GroupQueryAttention = groupQuery(sizes, { query, key, value },
    rows, packed);
  return ways;
}

function groupQuery(sizes, { query, key, value }, results, packed) {
  const { heads, keyValueHeads, queries, keys, width } = sizes;
  // Decoding: all keys but the last are in the cache, which is written in place.
  const past = keys - queries;
  const cacheDims = [1, keyValueHeads, keys, width];
  const fresh = (values) => {
    const last = new Float32Array(keyValueHeads * queries * width);
    for (let head = 0; head < keyValueHeads; head++) {
      const end = (head + 1) * keys * width;
      last.set(values.subarray(end - queries * width, end), head * queries * width);
    }
    return packed(last, keyValueHeads, queries);
  };
  const node = {
    op: 'GroupQueryAttention', domain: contrib,
    attributes: { num_heads: heads, kv_num_heads: keyValueHeads },
    inputs: ['query', 'key', 'value', past ? 'past_key' : '', past ? 'past_value' : '',
      'last_key', 'key_count'],
    outputs: ['output', 'present_key', 'present_value'],
  };
  const feeds = {
    query: packed(query, heads, queries), key: fresh(key), value: fresh(value),
    ...(past ? {
      past_key: floats(cacheDims, Float32Array.from(key)),
      past_value: floats(cacheDims, Float32Array.from(value)),
    } : {}),
    last_key: { type: 'int32', dims: [1], data: Int32Array.of(keys - 1) },
    key_count: { type: 'int32', dims: [], data: Int32Array.of(keys) },
  };
  const shared = past ? { present_key: 'past_key', present_value: 'past_value' } : {};
  const written = past ? {} : {
    present_key: { dims: cacheDims, layout: same }, present_value: { dims: cacheDims, layout: same },
  };
  return way({ nodes: [node], feeds, results: { ...results, ...written }, shared });
}

function layerNorm({ rows, width, residual }, { input, residual: added, weight, bias }) {
  const dims = [rows, width];
  const constants = { weight: floats([width], weight), bias: floats([width], bias) };
  const output = { as: 'output', dims, layout: same };
  if (!residual) {
    return {
      LayerNormalization: way({
        nodes: [{
          op: 'LayerNormalization', attributes: { epsilon, axis: -1 },
          inputs: ['input', 'weight', 'bias'], outputs: ['output'],
        }],
        feeds: { input: floats(dims, input) }, constants, results: { output },
      }),
    };
  }
  return {
    SkipLayerNormalization: way({
      nodes: [{
        op: 'SkipLayerNormalization', domain: contrib, attributes: { epsilon },
        inputs: ['input', 'residual', 'weight', 'bias'], outputs: ['output', '', '', 'sum'],
      }],
      feeds: { input: floats(dims, input), residual: floats(dims, added) }, constants,
      results: { output, sum: { as: 'sum', dims, layout: same } },
    }),
  };
}

function rmsNorm({ rows, width, residual }, { input, residual: added, weight }) {
  const dims = [rows, width];
  const constants = { weight: floats([width], weight) };
  const output = { as: 'output', dims, layout: same };
  if (residual) {
    return {
      SkipSimplifiedLayerNormalization: way({
        nodes: [{
          op: 'SkipSimplifiedLayerNormalization', domain: contrib, attributes: { epsilon },
          inputs: ['input', 'residual', 'weight'], outputs: ['output', '', '', 'sum'],
        }],
        feeds: { input: floats(dims, input), residual: floats(dims, added) }, constants,
        results: { output, sum: { as: 'sum', dims, layout: same } },
      }),
    };
  }
  const plain = (op) => way({
    nodes: [{
      op, attributes: { epsilon, axis: -1 }, inputs: ['input', 'weight'], outputs: ['output'],
    }],
    feeds: { input: floats(dims, input) }, constants, results: { output },
  });
  return {
    RMSNormalization: plain('RMSNormalization'),
    SimplifiedLayerNormalization: plain('SimplifiedLayerNormalization'),
  };
}

// Weights are constants of the model, which ONNX Runtime packs once.
function linear({ rows, inputs, outputs }, { input, weight, bias }) {
  const feeds = { input: floats([rows, inputs], input) };
  const results = { output: { as: 'output', dims: [rows, outputs], layout: same } };
  const gemm = {
    op: 'Gemm', attributes: { transB: 1 }, inputs: ['input', 'weight', 'bias'],
    outputs: ['output'],
  };
  return {
    'MatMul + Add': way({
      nodes: product('input', 'weight', 'bias', 'output'), feeds, results,
      constants: {
        weight: floats([inputs, outputs], swapped(weight, outputs, inputs, 1)),
        bias: floats([outputs], bias),
      },
    }),
    Gemm: way({
      nodes: [gemm], feeds, results,
      constants: { weight: floats([outputs, inputs], weight), bias: floats([outputs], bias) },
    }),
  };
}

function product(input, weight, bias, output) {
  return [
    { op: 'MatMul', inputs: [input, weight], outputs: [`${output}_product`] },
    { op: 'Add', inputs: [`${output}_product`, bias], outputs: [output] },
  ];
}

function feedForward({ rows, width, hidden, activation }, data) {
  const constants = {
    weight1: floats([width, hidden], swapped(data.weight1, hidden, width, 1)),
    weight2: floats([hidden, width], swapped(data.weight2, width, hidden, 1)),
    bias1: floats([hidden], data.bias1), bias2: floats([width], data.bias2),
  };
  const feeds = { input: floats([rows, width], data.input) };
  const results = { output: { as: 'output', dims: [rows, width], layout: same } };
  const [matMul1, add1] = product('input', 'weight1', 'bias1', 'hidden');
  const second = product('active', 'weight2', 'bias2', 'output');
  const built = (...first) => way({ nodes: [...first, ...second], feeds, results, constants });
  const tanh = activation === 'gelu-tanh';
  const biased = { domain: contrib, inputs: ['hidden_product', 'bias1'], outputs: ['active'] };
  return {
    'MatMul + Add + Gelu': built(matMul1, add1, {
      op: 'Gelu', attributes: { approximate: tanh ? 'tanh' : 'none' }, inputs: ['hidden'],
      outputs: ['active'],
    }),
    ...(tanh
      ? { 'MatMul + FastGelu': built(matMul1, { op: 'FastGelu', ...biased }) }
      : { 'MatMul + BiasGelu': built(matMul1, { op: 'BiasGelu', ...biased }) }),
  };
}

/** A graph that does nothing: what a call costs by itself. */
export function emptyWay() {
  return way({
    nodes: [{ op: 'Identity', inputs: ['input'], outputs: ['output'] }],
    feeds: { input: floats([1], Float32Array.of(1)) },
    results: { output: { as: 'output', dims: [1], layout: same } },
  });
}
