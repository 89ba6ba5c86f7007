// A case's folder: case.json, and a file NAME.f32 of raw little-endian binary32 for each input,
// whole numbers such as token ids included.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { count, Draw } from '../../tests/Transformer.Cli.Tests/Onnx/onnx_tensors.mjs';

/** Writes the inputs of a case; the same case always gets the same numbers. */
export function writeInputs(folder, { op, sizes, inputs, copies }) {
  let seed = 1;
  for (const [name, { dims, deviation = 1, mean = 0, below }] of Object.entries(inputs)) {
    const draw = new Draw(seed++);
    writeNumbers(folder, name, below === undefined
      ? numbers(draw, count(dims), deviation, mean)
      : Float32Array.from({ length: count(dims) }, () => draw.whole(0, below - 1)));
  }
  const shapes = Object.fromEntries(
    Object.entries(inputs).map(([name, { dims }]) => [name, dims]));
  writeFileSync(join(folder, 'case.json'), JSON.stringify({ op, sizes, shapes, copies }));
}

// Sums of four uniform numbers: near enough to normal, and without a function of the C library
// that might round otherwise elsewhere.
// Beyond four million they repeat, a prime number apart, so that no two rows of a matrix are alike.
function numbers(draw, length, deviation, mean) {
  const values = new Float32Array(length);
  const factor = deviation * Math.sqrt(3), period = Math.min(length, 4194301);
  for (let i = 0; i < period; i++) {
    const sum = draw.unit() + draw.unit() + draw.unit() + draw.unit();
    values[i] = mean + factor * (sum - 2);
  }
  for (let filled = period; filled < length; filled += period) {
    values.copyWithin(filled, 0, Math.min(period, length - filled));
  }
  return values;
}

/** Writes one tensor. */
export function writeNumbers(folder, name, values) {
  writeFileSync(join(folder, `${name}.f32`),
    new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
}

/** Reads one tensor. */
export function readNumbers(folder, name) {
  const bytes = readFileSync(join(folder, `${name}.f32`));
  const values = new Float32Array(bytes.byteLength / 4);
  new Uint8Array(values.buffer).set(bytes);
  return values;
}

/** ‖actual − expected‖₂ / ‖expected‖₂; NaN where lengths differ or a number is not one. */
export function relativeError(actual, expected) {
  if (actual.length !== expected.length) return NaN;
  let error = 0, size = 0;
  for (let i = 0; i < expected.length; i++) {
    const difference = actual[i] - expected[i];
    error += difference * difference;
    size += expected[i] * expected[i];
  }
  return Math.sqrt(error / size);
}
