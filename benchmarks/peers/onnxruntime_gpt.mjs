// GPT-2 as ONNX graphs of the operators that ONNX Runtime fuses such models to.
const contrib = 'com.microsoft';
const epsilon = { float: 1e-5 };

const floats = (dims, data) => ({ type: 'float32', dims, data });

const longs = (dims, values) =>
  ({ type: 'int64', dims, data: BigInt64Array.from(values, BigInt) });

/** Ways to give the next token's logits, by the operator that attends. */
export function gptWays(way, op, sizes, inputs) {
  const attentions = { 'fused Attention': fusedAttention, Attention: plainAttention };
  return Object.fromEntries(Object.entries(attentions).map(([name, attention]) => {
    const build = (first, count, extra) => model(way, sizes, inputs, attention, {
      first, count, ...extra,
    });
    if (op === 'gpt-prompt') return [name, build(0, sizes.tokens, {})];
    // The cache is what the same operator makes of the tokens before.
    const before = build(0, sizes.past, { presents: true });
    return [name, {
      ...build(sizes.past, 1, { pasts: true }),
      before: {
        model: before.model, feeds: before.feeds, outputs: before.presents,
        feedsOf: (outputs) => Object.fromEntries(before.presents.map((present) =>
          [present.replace('present', 'past'), outputs[present]])),
      },
    }];
  }));
}

function model(way, sizes, inputs, attention, { first, count, presents = false, pasts = false }) {
  const { layers, heads } = sizes;
  const nodes = [], constants = {}, pastInputs = {}, presentOutputs = [];
  const constant = (name) => {
    constants[name] = floats(dimsOf(name, sizes), inputs[name]);
    return name;
  };
  const add = (op, inputNames, outputs, attributes, domain) => {
    nodes.push({ op, domain, attributes, inputs: inputNames, outputs });
    return outputs[0];
  };
  const tokens = add('Gather', [constant('wte.weight'), 'tokens'], ['embedded']);
  const places = add('Gather', [constant('wpe.weight'), 'places'], ['placed']);
  let sum = add('Add', [tokens, places], ['sum']);
  let normed = add('LayerNormalization',
    [sum, constant('h.0.ln_1.weight'), constant('h.0.ln_1.bias')], ['h.0.normed'],
    { epsilon, axis: -1 });
  // residual + linear's output + its bias, and the norm of that.
  const skip = (product, bias, norm, name) => {
    normed = add('SkipLayerNormalization',
      [product, sum, constant(`${norm}.weight`), constant(`${norm}.bias`), constant(bias)],
      [`${name}.normed`, '', '', `${name}.sum`], { epsilon }, contrib);
    sum = `${name}.sum`;
  };
  for (let i = 0; i < layers; i++) {
    const h = `h.${i}`;
    const kept = attention({ add, constant, h, i, normed, heads, pasts, presents });
    Object.assign(pastInputs, kept.pasts);
    presentOutputs.push(...kept.presents);
    const projected =
      add('MatMul', [kept.output, constant(`${h}.attn.c_proj.weight`)], [`${h}.projected`]);
    skip(projected, `${h}.attn.c_proj.bias`, `${h}.ln_2`, `${h}.middle`);
    const up = add('MatMul', [normed, constant(`${h}.mlp.c_fc.weight`)], [`${h}.up`]);
    const active = add('FastGelu', [up, constant(`${h}.mlp.c_fc.bias`)], [`${h}.active`], {},
      contrib);
    const down = add('MatMul', [active, constant(`${h}.mlp.c_proj.weight`)], [`${h}.down`]);
    skip(down, `${h}.mlp.c_proj.bias`, i + 1 < layers ? `h.${i + 1}.ln_1` : 'ln_f', `${h}.end`);
  }
  constants.last = longs([], [count - 1]);
  const last = add('Gather', [normed, 'last'], ['last_row'], { axis: 1 });
  add('Gemm', [last, 'wte.weight'], ['logits'], { transB: 1 });
  const feeds = {
    tokens: longs([1, count], inputs.ids.slice(first, first + count)),
    places: longs([1, count], Array.from({ length: count }, (_, i) => first + i)),
  };
  const built = way({
    nodes, constants, feeds, results: { logits: { rank: 2, layout: (values) => values } },
    more: { inputs: pastInputs, outputs: presentOutputs },
  });
  return { ...built, presents: presentOutputs };
}

/** Projection and attention in one operator; its cache is [2, B, H, S, D]. */
function fusedAttention({ add, constant, h, i, normed, heads, pasts, presents }) {
  const past = `past_${i}`, present = `present_${i}`;
  const output = add('Attention', [normed, constant(`${h}.attn.c_attn.weight`),
    constant(`${h}.attn.c_attn.bias`), '', pasts ? past : ''],
  [`${h}.attended`, ...(presents || pasts ? [present] : [])],
  { num_heads: heads, unidirectional: 1 }, contrib);
  return {
    output, pasts: pasts ? { [past]: 5 } : {}, presents: presents ? [present] : [],
  };
}

/** The operator of ai.onnx; its caches are [B, H, S, D]. */
function plainAttention({ add, constant, h, i, normed, heads, pasts, presents }) {
  const product = add('MatMul', [normed, constant(`${h}.attn.c_attn.weight`)], [`${h}.product`]);
  const packed = add('Add', [product, constant(`${h}.attn.c_attn.bias`)], [`${h}.packed`]);
  const parts = ['query', 'key', 'value'].map((name) => `${h}.${name}`);
  add('Split', [packed], parts, { axis: -1, num_outputs: 3 });
  const of = (kind) => [`${kind}_key_${i}`, `${kind}_value_${i}`];
  const output = add('Attention', [...parts, '', ...(pasts ? of('past') : [])],
    [`${h}.attended`, ...(presents || pasts ? of('present') : [])],
    { q_num_heads: heads, kv_num_heads: heads, is_causal: 1 });
  return {
    output, pasts: pasts ? Object.fromEntries(of('past').map((name) => [name, 4])) : {},
    presents: presents ? of('present') : [],
  };
}

function dimsOf(name, { width, vocabulary, positions }) {
  if (name === 'wte.weight') return [vocabulary, width];
  if (name === 'wpe.weight') return [positions, width];
  const factors = {
    'attn.c_attn.weight': [1, 3], 'attn.c_proj.weight': [1, 1], 'mlp.c_fc.weight': [1, 4],
    'mlp.c_proj.weight': [4, 1], 'attn.c_attn.bias': [3], 'mlp.c_fc.bias': [4],
  };
  const found = Object.entries(factors).find(([end]) => name.endsWith(end));
  return (found ? found[1] : [1]).map((factor) => factor * width);
}
