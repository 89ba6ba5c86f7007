// Runs an exported GPT-2 with ONNX Runtime and records its logits.
//
//   transformer export --model gpt2_shards --out /tmp/model --format onnx
//   cp /tmp/model/model.onnx gpt2_onnx
//   node run_onnx.mjs --runtime FOLDER      (FOLDER: npm install onnxruntime-node@1.30.0)
//
// gpt2_onnx/expected.safetensors then holds, by case, ids (I64) and logits (F32).
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeSafeTensors } from '../../Transformer.Cli.Tests/Onnx/onnx_tensors.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const at = process.argv.indexOf('--runtime');
if (at < 0) throw new Error('--runtime FOLDER is missing: where onnxruntime-node is installed');
const require = createRequire(path.join(path.resolve(process.argv[at + 1]), 'package.json'));
const runtime = require('onnxruntime-node');

const shapes = [[2, 11], [1, 1], [3, 16]];
const session = await runtime.InferenceSession.create(
  readFileSync(path.join(here, 'gpt2_onnx', 'model.onnx')));
const ids = {}, results = {};
for (const [batch, length] of shapes) {
  const numbers = BigInt64Array.from(
    { length: batch * length }, (_, i) => BigInt((i * 17 + 5) % 37));
  const input = new runtime.Tensor('int64', numbers, [batch, length]);
  const { logits } = await session.run({ input_ids: input });
  const name = `${batch}x${length}`;
  ids[`${name}/ids`] = { type: 'int64', dims: [batch, length], data: numbers };
  results[`${name}/logits`] = { type: 'float32', dims: logits.dims, data: logits.data };
}

// Widest first, so that every tensor is naturally aligned.
writeSafeTensors(path.join(here, 'gpt2_onnx', 'expected.safetensors'), { ...ids, ...results },
  { runtime: require('onnxruntime-node/package.json').version });
