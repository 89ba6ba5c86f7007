// Records what ONNX Runtime's CPU kernels make of random problems. See README.md.
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';
import { join } from 'node:path';
import { ElementType, oneNodeModel } from './onnx_model.mjs';
import { count, Draw, writeSafeTensors } from './onnx_tensors.mjs';
import { problems } from './onnx_problems.mjs';

const { values: options } = parseArgs({
  options: {
    runtime: { type: 'string', default: process.cwd() },
    out: { type: 'string', default: import.meta.dirname ?? '.' },
    cases: { type: 'string', default: '14' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string', default: '' },
  },
});
const require = createRequire(join(options.runtime, 'package.json'));
const ort = require('onnxruntime-node');
const version = require('onnxruntime-node/package.json').version;

// The types that ONNX Runtime hands back, as the files store them.
async function solve({ op, opset, attributes, inputs, outputs }) {
  const named = Object.entries(inputs).map(([name, tensor]) =>
    tensor && { name, type: ElementType[tensor.type], rank: tensor.dims.length });
  const wanted = outputs.map((output) =>
    output && { name: output.name, type: ElementType[output.type] });
  const model = oneNodeModel(op, opset, attributes, named, wanted);
  const session = await ort.InferenceSession.create(model, { logSeverityLevel: 4 });
  const feeds = {};
  for (const [name, tensor] of Object.entries(inputs)) {
    if (tensor) feeds[name] = new ort.Tensor(tensor.type, tensor.data, tensor.dims);
  }
  const results = await session.run(feeds);
  await session.release();
  return Object.fromEntries(Object.entries(results).map(([name, { type, dims, data }]) =>
    [name, { type, dims: [...dims], data }]));
}

for (const [file, make] of Object.entries(problems)) {
  if (!file.startsWith(options.only)) continue;
  const tensors = {};
  const metadata = { runtime: `onnxruntime-node ${version}` };
  const draw = new Draw(Number(options.seed) * 7919 + file.length);
  for (let index = 0; index < Number(options.cases); index++) {
    const problem = make(draw, index);
    const results = await solve(problem);
    const name = String(index).padStart(3, '0');
    metadata[name] = JSON.stringify(problem.command);
    const kept = { ...problem.inputs, ...problem.stored, ...results };
    for (const [key, tensor] of Object.entries(kept)) {
      if (!tensor) continue;
      if (tensor.data.length !== count(tensor.dims)) throw new Error(`${file} ${name} ${key}`);
      tensors[`${name}/${key}`] = tensor;
    }
  }
  writeSafeTensors(join(options.out, `${file}.safetensors`), tensors, metadata);
}
