// GPT-2's shape: the weights by Hugging Face's names and layouts, and the cases on them.
const float = 4;

/** GPT-2 124M, and the small configuration of nanoGPT that a processor trains in minutes. */
const shapes = {
  'GPT-2 124M': { layers: 12, heads: 12, width: 768, vocabulary: 50257, positions: 1024 },
  'nanoGPT small': { layers: 4, heads: 4, width: 128, vocabulary: 65, positions: 64 },
};

/** Weights as inputs of a case. Matrices of linear layers are [in, out]. */
function weights({ layers, width, vocabulary, positions }) {
  const deviation = 0.02, residual = 0.02 / Math.sqrt(2 * layers);
  const norm = (name) => [
    [`${name}.weight`, { dims: [width], mean: 1, deviation: 0.1 }],
    [`${name}.bias`, { dims: [width], deviation: 0.1 }],
  ];
  const linear = (name, inputs, outputs, spread) => [
    [`${name}.weight`, { dims: [inputs, outputs], deviation: spread }],
    [`${name}.bias`, { dims: [outputs], deviation: 0.02 }],
  ];
  const layer = (h) => [
    ...norm(`${h}.ln_1`),
    ...linear(`${h}.attn.c_attn`, width, 3 * width, deviation),
    ...linear(`${h}.attn.c_proj`, width, width, residual),
    ...norm(`${h}.ln_2`),
    ...linear(`${h}.mlp.c_fc`, width, 4 * width, deviation),
    ...linear(`${h}.mlp.c_proj`, 4 * width, width, residual),
  ];
  return Object.fromEntries([
    ['wte.weight', { dims: [vocabulary, width], deviation }],
    ['wpe.weight', { dims: [positions, width], deviation }],
    ...Array.from({ length: layers }, (_, i) => layer(`h.${i}`)).flat(),
    ...norm('ln_f'),
  ]);
}

const matrices = ({ layers, width }) => 12 * layers * width * width;

function of(op, name, shape, { tokens, batch = 1, past = 0, ...rest }) {
  const model = shapes[name];
  const ids = { dims: [batch, past + tokens], below: model.vocabulary };
  return {
    op, group: `${name} ${op.replace('gpt-', '')}`, shape, copies: 1,
    sizes: { ...model, batch, tokens, past },
    inputs: {
      ...weights(model), ids, ...(op === 'gpt-train' ? { labels: ids } : {}),
    },
    ...rest,
  };
}

/** Logits of the next token after a text. */
function prompt(tokens, large) {
  const name = 'GPT-2 124M', { layers, width, vocabulary } = shapes[name];
  // Half of the pairs are hidden; the head is needed once.
  const attention = 2 * layers * tokens * (tokens + 1) * width;
  return of('gpt-prompt', name, `${tokens} tokens`, {
    tokens, limit: 'flops', large,
    flops: 2 * tokens * matrices(shapes[name]) + attention + 2 * width * vocabulary,
    bytes: float * (matrices(shapes[name]) + width * vocabulary),
  });
}

/** Logits after one more token. */
function decode(past) {
  const name = 'GPT-2 124M', { layers, width, vocabulary } = shapes[name];
  const weightsRead = matrices(shapes[name]) + width * vocabulary;
  const cache = 2 * layers * (past + 1) * width;
  return of('gpt-decode', name, `1 token after ${past}`, {
    tokens: 1, past, limit: 'read', large: true,
    flops: 2 * (weightsRead + cache), bytes: float * (weightsRead + cache),
  });
}

/** Forward, backward, norm of the gradient, AdamW. */
function train(name, batch, tokens, large) {
  const { layers, width, vocabulary } = shapes[name];
  const forward = batch * tokens *
    (2 * (matrices(shapes[name]) + width * vocabulary) + 2 * layers * (tokens + 1) * width);
  return of('gpt-train', name, `batch ${batch} of ${tokens}`, {
    batch, tokens, limit: 'flops', large, flops: 3 * forward,
    bytes: 10 * float * matrices(shapes[name]),
  });
}

/** Every case on a whole model. */
export const gptCases = [
  prompt(64, false), prompt(512, true), decode(512), train('nanoGPT small', 12, 64, false),
  train('GPT-2 124M', 4, 64, true)];
