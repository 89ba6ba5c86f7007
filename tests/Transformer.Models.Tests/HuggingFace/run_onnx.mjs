// Runs exported models with ONNX Runtime and records their inputs and outputs.
//
//   for model in gpt2_shards bert bert_classifier marian translator
//     transformer export --model $model --out EXPORTED/$model --format onnx
//   node run_onnx.mjs --models EXPORTED --runtime FOLDER
//
// where FOLDER is one in which `npm install onnxruntime-node@1.30.0` was run. For each model
// onnx/MODEL then holds its .onnx files and expected.safetensors: by case its inputs (I64) and
// outputs (F32). Without the package the program says so and ends with status 2.
//
// translator, whose norms stand before the sublayers, whose tables are three and whose positions
// are learned, was made by
//   transformer train seq2seq --norm pre --tie none --positions learned --activation gelu
//     --layers 2 --width 16 --heads 2 --feed-forward 24 --max-positions 12 --steps 60 --warmup 10
//     --learning-rate 0.01
// with four lines of number words, English and Russian.
import { copyFileSync, mkdirSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeSafeTensors } from '../../Transformer.Cli.Tests/Onnx/onnx_tensors.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const [models, runtimeFolder] = ['--models', '--runtime'].map((name) => {
  const at = process.argv.indexOf(name);
  if (at < 0 || at + 1 === process.argv.length) stop(`${name} FOLDER is missing`);
  return path.resolve(process.argv[at + 1]);
});
const require = createRequire(path.join(runtimeFolder, 'package.json'));
let runtime;
try {
  runtime = require('onnxruntime-node');
} catch {
  stop(`no onnxruntime-node in ${runtimeFolder}; run npm install onnxruntime-node@1.30.0 there`);
}

const shapes = [[2, 11], [1, 1], [3, 9]];
const vocabularies =
  { gpt2_shards: 37, bert: 31, bert_classifier: 31, marian: 96, translator: 10 };
for (const [name, vocabulary] of Object.entries(vocabularies)) {
  const target = path.join(here, 'onnx', name);
  mkdirSync(target, { recursive: true });
  const files = readdirSync(path.join(models, name)).filter((file) => file.endsWith('.onnx'));
  for (const file of files) copyFileSync(path.join(models, name, file), path.join(target, file));
  const load = (file) => runtime.InferenceSession.create(path.join(target, file));
  const sessions = files.length > 1
    ? [await load('encoder_model.onnx'), await load('decoder_model.onnx')]
    : [await load('model.onnx')];
  const wide = {}, narrow = {};
  for (const [batch, length] of shapes) {
    const draw = inputs(batch, length, vocabulary);
    const feeds = {};
    let results = {};
    for (const session of sessions) {
      if (results.last_hidden_state) Object.assign(feeds, {
        encoder_hidden_states: results.last_hidden_state,
        encoder_attention_mask: feeds.attention_mask,
        source_ids: feeds.input_ids,
        input_ids: inputs(batch, Math.max(length - 2, 1), vocabulary, 3).input_ids,
      });
      for (const input of session.inputNames) feeds[input] ??= draw[input];
      results = await session.run(
        Object.fromEntries(session.inputNames.map((input) => [input, feeds[input]])));
    }

    for (const [tensor, value] of [...Object.entries(feeds), ...Object.entries(results)]) {
      const { type, dims, data } = value;
      (type === 'int64' ? wide : narrow)[`${batch}x${length}/${tensor}`] = { type, dims, data };
    }
  }

  // Widest first, so that every tensor is naturally aligned.
  writeSafeTensors(path.join(target, 'expected.safetensors'), { ...wide, ...narrow },
    { runtime: require('onnxruntime-node/package.json').version });
}

/** Row r is shorter than the first by r tokens; its second half is of segment 1. */
function inputs(batch, length, vocabulary, shift = 0) {
  const fill = (value) => new runtime.Tensor('int64', BigInt64Array.from(
    { length: batch * length }, (_, i) => BigInt(value(Math.floor(i / length), i % length, i))),
  [batch, length]);
  return {
    input_ids: fill((row, column, i) => (i * 17 + 5 + shift) % vocabulary),
    attention_mask: fill((row, column) => (column < length - row ? 1 : 0)),
    token_type_ids: fill((row, column) => (2 * column < length ? 0 : 1)),
  };
}

function stop(message) {
  console.error(`run_onnx: ${message}`);
  process.exit(2);
}
