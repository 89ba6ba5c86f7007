// The ONNX graphs that do a case's work: one for each way that ONNX Runtime has.
//
// A way is { model, feeds, results, probes }: the model's bytes; the tensors that it is fed, as
// {type, dims, data}; the case's outputs by name, as {rank, layout}, `layout` rearranging one to
// the case's layout; and the names of outputs that hold one element of each result. Timed calls
// fetch the probes: the binding copies what is fetched into new arrays, which takes longer than a
// normalisation, while the results themselves stay in the runtime's memory. A way may also have
// `before`: {model, feeds, outputs, feedsOf}, a model that is run once and whose outputs become
// more feeds.
import {
  ElementType, graphModel,
} from '../../tests/Transformer.Cli.Tests/Onnx/onnx_model.mjs';
import { gptWays } from './onnxruntime_gpt.mjs';
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
    case 'gpt-prompt':
    case 'gpt-decode': return gptWays(way, op, sizes, inputs);
    default: throw new CannotError(`no operator for ${op}`);
  }
}

function way({ nodes, feeds, results, constants = {}, more = { inputs: {}, outputs: [] } }) {
  const probes = Object.keys(results).map((name) => `${name}_probe`);
  const model = graphModel({
    opsets: { '': 23, [contrib]: 1 },
    nodes: [...nodes, ...Object.entries(results).map(([name, { rank }]) => ({
      op: 'Slice', inputs: [name, `zeros${rank}`, `ones${rank}`], outputs: [`${name}_probe`],
    }))],
    constants: {
      ...constants,
      ...Object.fromEntries(Object.values(results).flatMap(({ rank }) =>
        [[`zeros${rank}`, longs(rank, 0n)], [`ones${rank}`, longs(rank, 1n)]])),
    },
    inputs: [
      ...Object.entries(feeds).map(([name, { type, dims }]) =>
        ({ name, type: ElementType[type], rank: dims.length })),
      ...Object.entries(more.inputs).map(([name, rank]) =>
        ({ name, type: ElementType.float32, rank })),
    ],
    outputs: [...Object.keys(results), ...probes, ...more.outputs].map((name) =>
      ({ name, type: ElementType.float32 })),
  });
  return { model, feeds, results, probes };
}

const longs = (length, value) =>
  ({ type: 'int64', dims: [length], data: new BigInt64Array(length).fill(value) });

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
  const headMajor = { output: { rank: 4, layout: same } };
  const rows = {
    output: { rank: 3, layout: (values) => swapped(values, queries, heads, width) },
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
  // Causal by definition. Not for decoding: its cache is an output, which cannot be left unfetched.
  if (causal) {
    ways.GroupQueryAttention = way({
      nodes: [{
        op: 'GroupQueryAttention', domain: contrib,
        attributes: { num_heads: heads, kv_num_heads: keyValueHeads },
        inputs: ['query', 'key', 'value', '', '', 'last_key', 'key_count'],
        outputs: ['output', 'present_key', 'present_value'],
      }],
      feeds: {
        query: packed(query, heads, queries), key: packed(key, keyValueHeads, keys),
        value: packed(value, keyValueHeads, keys),
        last_key: { type: 'int32', dims: [1], data: Int32Array.of(keys - 1) },
        key_count: { type: 'int32', dims: [], data: Int32Array.of(keys) },
      },
      results: rows,
    });
  }
  return ways;
}

function layerNorm({ rows, width, residual }, { input, residual: added, weight, bias }) {
  const dims = [rows, width];
  const constants = { weight: floats([width], weight), bias: floats([width], bias) };
  const output = { rank: 2, layout: same };
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
      results: { output, sum: output },
    }),
  };
}

function rmsNorm({ rows, width, residual }, { input, residual: added, weight }) {
  const dims = [rows, width];
  const constants = { weight: floats([width], weight) };
  const output = { rank: 2, layout: same };
  if (residual) {
    return {
      SkipSimplifiedLayerNormalization: way({
        nodes: [{
          op: 'SkipSimplifiedLayerNormalization', domain: contrib, attributes: { epsilon },
          inputs: ['input', 'residual', 'weight'], outputs: ['output', '', '', 'sum'],
        }],
        feeds: { input: floats(dims, input), residual: floats(dims, added) }, constants,
        results: { output, sum: output },
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
  const results = { output: { rank: 2, layout: same } };
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
  const results = { output: { rank: 2, layout: same } };
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
    feeds: { input: floats([1], Float32Array.of(1)) }, results: { output: { rank: 1 } },
  });
}
