// Random tensors in the layout of ONNX Runtime, and files of them.
import { writeFileSync } from 'node:fs';

/** A sequence of random numbers that only its seed decides (mulberry32). */
export class Draw {
  #state;

  constructor(seed) {
    this.#state = seed >>> 0;
  }

  /** From 0 to below 1. */
  unit() {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  /** A whole number from low to high, both included. */
  whole(low, high) {
    return low + Math.floor(this.unit() * (high - low + 1));
  }

  /** One of the choices. */
  of(choices) {
    return choices[this.whole(0, choices.length - 1)];
  }

  /** Normally distributed. */
  normal() {
    const radius = Math.sqrt(-2 * Math.log(1 - this.unit()));
    return radius * Math.cos(2 * Math.PI * this.unit());
  }
}

export const count = (dims) => dims.reduce((product, size) => product * size, 1);

/** Normal numbers of one type; 16-bit ones are rounded, then exact. */
export function floats(draw, type, dims, deviation = 1, mean = 0) {
  const values = Array.from({ length: count(dims) }, () => mean + deviation * draw.normal());
  return real(type, dims, values);
}

/** The given numbers as a tensor of one type. */
export function real(type, dims, values) {
  const data = type === 'float16'
    ? Uint16Array.from(values, toHalf) : Float32Array.from(values);
  return { type, dims, data };
}

/** Whole numbers of 64 bits. */
export function longs(dims, values) {
  return { type: 'int64', dims, data: BigInt64Array.from(values, BigInt) };
}

/** Bits of the nearest binary16 number, ties to even. */
export function toHalf(value) {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0];
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = Math.abs(Math.fround(value));
  if (Number.isNaN(magnitude)) return sign | 0x7e00;
  if (magnitude >= 65520) return sign | 0x7c00;
  const exponent = Math.max(-14, Math.floor(Math.log2(magnitude || 1e-8)));
  const unit = 2 ** (exponent - 10);
  let steps = Math.floor(magnitude / unit);
  const rest = magnitude / unit - steps;
  if (rest > 0.5 || (rest === 0.5 && steps % 2 === 1)) steps++;
  // Steps of 2^10 carry into the exponent by themselves.
  return sign | (((exponent + 14) << 10) + steps);
}

const storage = { float32: 'F32', float16: 'F16', int64: 'I64', int32: 'I32', bool: 'BOOL' };

/** Writes tensors by name, and text by name, as a safetensors file. */
export function writeSafeTensors(path, tensors, metadata) {
  const header = { __metadata__: metadata };
  const parts = [];
  let at = 0;
  for (const [name, { type, dims, data }] of Object.entries(tensors)) {
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    header[name] = { dtype: storage[type], shape: dims, data_offsets: [at, at + bytes.length] };
    parts.push(bytes);
    at += bytes.length;
  }
  let text = JSON.stringify(header);
  while (Buffer.byteLength(text) % 8 !== 0) text += ' ';
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(Buffer.byteLength(text)));
  writeFileSync(path, Buffer.concat([size, Buffer.from(text), ...parts]));
}
