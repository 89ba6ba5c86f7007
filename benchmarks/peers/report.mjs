// The table for people and the file for machines.
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { tolerance } from './measure.mjs';

const limits = {
  flops: { name: 'FMA peak', of: (machine) => 1e9 * machine.fmaPeakGflops },
  copy: { name: 'copy bandwidth', of: (machine) => 1e9 * machine.copyGBs },
  read: { name: 'read bandwidth', of: (machine) => 1e9 * machine.readGBs },
};

/** One row of the file: a case, and what was measured. */
export function rowOf(one, { ms, cannot, others }) {
  return {
    op: one.group, shape: one.shape, sizes: one.sizes, copies: one.copies,
    flops: one.flops, bytes: one.bytes, limit: limits[one.limit].name, ms,
    ...(cannot ? { cannot } : {}), others,
  };
}

/** The row with what follows from it. */
export function completed(row, machine) {
  const seconds = row.ms ? row.ms.median / 1000 : NaN;
  const limit = Object.values(limits).find(({ name }) => name === row.limit);
  const work = limit === limits.flops ? row.flops : row.bytes;
  // NaN is written as null.
  return {
    ...row, gflops: row.flops / seconds / 1e9, gbs: row.bytes / seconds / 1e9,
    ofLimit: work / seconds / limit.of(row.machine ?? machine),
    others: row.others.map((other) => (other.ms
      ? { ...other, ratio: row.ms ? other.ms.median / row.ms.median : null } : other)),
  };
}

/** Whether a row is the case's. */
export const isOf = (row, one) => row.op === one.group && row.shape === one.shape;

/** The machine's limits at their best: a limit is what it can do undisturbed. */
export function better(first, second) {
  const figures = Object.entries(first).map(([name, value]) =>
    [name, typeof value === 'number' ? Math.max(value, second[name]) : value]);
  return Object.fromEntries(figures);
}

/** Outputs that are not ours: the peer did other work, or one of both is wrong. */
export function differences(rows) {
  return rows.flatMap((row) => row.others.flatMap(({ peer, variant, relativeErrors }) =>
    Object.entries(relativeErrors ?? {}).filter(([, error]) => !(error <= tolerance)).map(
      ([name, error]) => `${row.op} ${row.shape}: '${name}' of ${peer} ${variant} differs from ` +
        `ours by ${error.toExponential(1)} (relative L2); expected at most ${tolerance}.`)));
}

/** Each peer's fastest way beside ours. */
export function table(rows, peers) {
  const header = ['op', 'shape', 'ours ms', 'rate', 'of limit',
    ...peers.flatMap((peer) => [`${peer} ms`, 'ratio', 'by'])];
  const lines = rows.map((row) => {
    const rate = !row.ms ? '–' : row.limit === limits.flops.name
      ? `${row.gflops.toFixed(0)} GFLOP/s` : `${row.gbs.toFixed(1)} GB/s`;
    return [row.op, row.shape, row.ms ? digits(row.ms.median) : '–', rate,
      row.ms ? `${(100 * row.ofLimit).toFixed(0)} %` : '–',
      ...peers.flatMap((peer) => best(row, peer))];
  });
  const left = new Set([0, 1, ...peers.map((_, i) => 7 + 3 * i)]);
  const widths = header.map((title, i) => Math.max(title.length, ...lines.map((x) => x[i].length)));
  return [header, ...lines].map((cells) => cells.map((cell, i) =>
    (left.has(i) ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  ').trimEnd())
    .join('\n');
}

function best(row, peer) {
  const ways = row.others.filter((other) => other.peer === peer && other.ms);
  if (ways.length === 0) return ['–', '–', ''];
  const fastest = ways.reduce((a, b) => (b.ms.median < a.ms.median ? b : a));
  return [digits(fastest.ms.median), fastest.ratio ? `${fastest.ratio.toFixed(2)}×` : '–',
    fastest.variant];
}

function digits(ms) {
  return ms.toFixed(ms < 1 ? 3 : ms < 100 ? 2 : 1);
}

/** Writes the file as a whole or not at all. */
export function writeReport(path, report) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.tmp`, `${JSON.stringify(report, null, 2)}\n`, { flush: true });
  renameSync(`${path}.tmp`, path);
}
