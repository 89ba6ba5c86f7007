// One random problem an operator: the node, its tensors, and the command that does the same.
// A command's argument "@name" stands for an input's file, ">name" for an output's.
import { attention } from './onnx_attention.mjs';
import { count, floats, longs, real } from './onnx_tensors.mjs';

const shape = (draw, least, most, large = 9) => {
  const dims = Array.from({ length: draw.whole(least, most) }, () => draw.whole(1, large));
  // Now and then an axis that is longer than any vector.
  if (dims.length > 0 && draw.unit() < 0.3) dims[draw.whole(0, dims.length - 1)] = draw.whole(17, 70);
  while (count(dims) > 1500) dims[dims.indexOf(Math.max(...dims))] = 2;
  return dims;
};

const axisOf = (draw, dims) => draw.whole(-dims.length, dims.length - 1);
const typeOf = (draw) => (draw.unit() < 0.3 ? 'float16' : 'float32');

// A shape that broadcasts to dims: some axes 1, some leading ones dropped.
const stretched = (draw, dims, from) => {
  const tail = dims.slice(from);
  if (draw.unit() < 0.6) return tail;
  const whole = draw.unit() < 0.5 ? tail : dims;
  const kept = whole.map((size) => (draw.unit() < 0.3 ? 1 : size));
  return kept.slice(draw.whole(0, kept.length));
};

function norm(draw, op, opset, command, hasBias) {
  const type = typeOf(draw);
  const dims = shape(draw, 1, 4);
  const axis = axisOf(draw, dims);
  const from = axis < 0 ? axis + dims.length : axis;
  const epsilon = draw.of([null, 1e-3, 1e-12, 0.5]);
  // ONNX Runtime itself loses the digits of a mean that is large.
  const x = floats(draw, type, dims, draw.of([1, 0.01, 100]));
  const scale = floats(draw, type, stretched(draw, dims, from));
  const inputs = { x, scale };
  const line = [command, '--x', '@x', '--scale', '@scale', '--axis', String(axis)];
  if (hasBias && draw.unit() < 0.6) {
    // One shape for both: ONNX Runtime takes no other.
    inputs.bias = floats(draw, type, scale.dims);
    line.push('--bias', '@bias');
  }
  const attributes = { axis };
  if (epsilon !== null) {
    attributes.epsilon = { float: epsilon };
    line.push('--epsilon', String(epsilon));
  }
  const outputs = [{ name: 'y', type }];
  line.push('--out', '>y');
  if (hasBias && type === 'float32' && draw.unit() < 0.5) {
    outputs.push({ name: 'mean', type: 'float32' }, { name: 'inverse', type: 'float32' });
    line.push('--mean-out', '>mean', '--inv-std-out', '>inverse');
  }
  return { op, opset, attributes, inputs, outputs, command: line };
}

function softmax(draw, op, command) {
  const type = typeOf(draw);
  const dims = shape(draw, 1, 5);
  const axis = axisOf(draw, dims);
  const deviation = draw.of([1, 10, type === 'float32' ? 10000 : 1000]);
  const x = floats(draw, type, dims, deviation);
  if (type === 'float32' && draw.unit() < 0.4) {
    for (let i = 0; i < x.data.length; i++) if (draw.unit() < 0.3) x.data[i] = -Infinity;
  }
  return {
    op, opset: 13, attributes: { axis }, inputs: { x }, outputs: [{ name: 'y', type }],
    command: [command, '--x', '@x', '--axis', String(axis), '--out', '>y'],
  };
}

function loss(draw, op, opset, command, index) {
  // The two operators have no kernels in 16 bits.
  const type = 'float32';
  const dims = shape(draw, 2, 4, 6);
  const labelDims = [dims[0], ...dims.slice(2)];
  const scores = floats(draw, type, dims, draw.of([1, 20]));
  const reduction = ['none', 'mean', 'sum'][index % 3];
  const attributes = { reduction };
  const line = [command, '--scores', '@scores', '--labels', '@labels', '--reduction', reduction];
  const ignored = draw.unit() < 0.5 ? draw.of([-100, -1, 0, dims[1] - 1]) : null;
  if (ignored !== null) {
    attributes.ignore_index = ignored;
    line.push('--ignore-index', String(ignored));
  }
  const labels = longs(labelDims, Array.from({ length: count(labelDims) }, () =>
    (ignored !== null && draw.unit() < 0.3 ? ignored : draw.whole(0, dims[1] - 1))));
  const inputs = { scores, labels };
  if (draw.unit() < 0.5) {
    inputs.weights = floats(draw, type, [dims[1]]);
    inputs.weights.data.forEach((w, i, all) => { all[i] = Math.abs(w); });
    line.push('--weights', '@weights');
  }
  const outputs = [{ name: 'loss', type }];
  line.push('--out', '>loss');
  if (op === 'SoftmaxCrossEntropyLoss') {
    outputs.push({ name: 'log_prob', type });
    line.push('--log-prob-out', '>log_prob');
  }
  return { op, opset, attributes, inputs, outputs, command: line };
}

/** Makes the problems of one file each, from random numbers and a running number. */
export const problems = {
  'Attention/plain': (draw, index) => attention(draw, index, 'none'),
  'Attention/past': (draw, index) => attention(draw, index, 'past'),
  'Attention/lengths': (draw, index) => attention(draw, index, 'lengths'),
  layer_normalization: (draw) => norm(draw, 'LayerNormalization', 17, 'layer-norm', true),
  rms_normalization: (draw) => norm(draw, 'RMSNormalization', 23, 'rms-norm', false),
  softmax: (draw) => softmax(draw, 'Softmax', 'softmax'),
  log_softmax: (draw) => softmax(draw, 'LogSoftmax', 'log-softmax'),
  softmax_cross_entropy_loss: (draw, index) =>
    loss(draw, 'SoftmaxCrossEntropyLoss', 13, 'cross-entropy', index),
  negative_log_likelihood_loss: (draw, index) =>
    loss(draw, 'NegativeLogLikelihoodLoss', 22, 'nll-loss', index),
  gelu(draw, index) {
    const type = typeOf(draw);
    const approximate = ['none', 'tanh'][index % 2];
    const x = floats(draw, type, shape(draw, 0, 3, 30), draw.of([1, 3, 30]));
    return {
      op: 'Gelu', opset: 20, attributes: { approximate }, inputs: { x },
      outputs: [{ name: 'y', type }],
      command: ['gelu', '--x', '@x', '--approximation', approximate, '--out', '>y'],
    };
  },
  gather(draw) {
    const type = typeOf(draw);
    const table = floats(draw, type, shape(draw, 1, 3));
    const dims = Array.from({ length: draw.whole(0, 3) }, () => draw.whole(1, 5));
    const rows = table.dims[0];
    const ids = longs(dims, Array.from({ length: count(dims) }, () => draw.whole(-rows, rows - 1)));
    return {
      op: 'Gather', opset: 13, attributes: { axis: 0 }, inputs: { table, ids },
      outputs: [{ name: 'y', type }],
      command: ['embedding', '--table', '@table', '--ids', '@ids', '--out', '>y'],
    };
  },
  rotary_embedding(draw, index) {
    const type = typeOf(draw);
    const [batch, heads, length] = [draw.whole(1, 3), draw.whole(1, 3), draw.whole(1, 5)];
    const dimension = 2 * draw.of([1, 2, 3, 4, 8, 17]);
    const rotary = draw.of([0, 0, 2 * draw.whole(1, dimension / 2)]);
    const half = (rotary || dimension) / 2;
    const packed = draw.unit() < 0.5;
    const gathered = index % 2 === 1;
    const attributes = { interleaved: draw.whole(0, 1), rotary_embedding_dim: rotary };
    const line = ['rotary', '--x', '@x', '--cos', '@cos', '--sin', '@sin', '--rotary-dim',
      String(rotary)];
    if (attributes.interleaved) line.push('--interleaved');
    // ONNX Runtime does not take a partial rotation without the number of heads.
    attributes.num_heads = heads;
    if (packed) line.push('--heads', String(heads));
    const positions = 7;
    const angles = Array.from(
      { length: (gathered ? batch * length : positions) * half }, () => 3 * draw.normal());
    const dims = gathered ? [batch, length, half] : [positions, half];
    const inputs = {
      x: floats(draw, type, packed
        ? [batch, length, heads * dimension] : [batch, heads, length, dimension]),
      cos: real(type, dims, angles.map(Math.cos)),
      sin: real(type, dims, angles.map(Math.sin)),
    };
    if (!gathered) {
      inputs.positions = longs([batch, length],
        Array.from({ length: batch * length }, () => draw.whole(0, positions - 1)));
      line.push('--positions', '@positions');
    }
    line.push('--out', '>y');
    return {
      op: 'RotaryEmbedding', opset: 23, attributes, inputs, outputs: [{ name: 'y', type }],
      command: line,
    };
  },
};
