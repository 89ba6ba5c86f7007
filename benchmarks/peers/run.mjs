// Times the library beside other libraries: node benchmarks/peers/run.mjs --help
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { basename, isAbsolute, join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { cases } from './cases.mjs';
import { measure } from './measure.mjs';
import { startOthers, startOurs } from './peers.mjs';
import {
  better, completed, differences, isOf, rowOf, table, writeReport,
} from './report.mjs';

const help = `Times the library beside its peers, in turns and on the same inputs.

node benchmarks/peers/run.mjs [options]
  --quick           the smaller shapes, few rounds
  --only TEXT       cases whose name contains the text, such as attention, decode, S1024
  --threads N       threads of every peer; default: all processors
  --rounds N        turns of every peer; default 9, quick 3
  --seconds X       time of a turn; default 0.2, quick 0.03
  --for SECONDS     begin no case after that time; --resume goes on
  --resume          keep what --out holds of the same settings, and measure the rest
  --out FILE        default artifacts/peers/peers.json
  --runtime FOLDER  where onnxruntime-node is or will be; default artifacts/peers
  --python PROGRAM  a Python with torch and numpy; default: the first found
  --llm-c FOLDER    a checkout of llm.c, which a C compiler builds; default: left out
  --no-install      leave out what is not installed
  --no-build        take the library as it was built last
  --list            print the cases
Exit code 1: outputs differ; 2: bad usage, or the library does not start.`;

const repository = resolve(import.meta.dirname, '../..');

function optionsOf(args) {
  const { values } = parseArgs({
    args,
    options: {
      quick: { type: 'boolean' }, only: { type: 'string' }, threads: { type: 'string' },
      rounds: { type: 'string' }, seconds: { type: 'string' }, out: { type: 'string' },
      runtime: { type: 'string' }, python: { type: 'string' }, 'llm-c': { type: 'string' },
      'no-install': { type: 'boolean' },
      'no-build': { type: 'boolean' }, for: { type: 'string' }, resume: { type: 'boolean' },
      list: { type: 'boolean' }, help: { type: 'boolean' },
    },
  });
  const number = (name, otherwise, whole) => {
    const value = values[name] === undefined ? otherwise : Number(values[name]);
    if (!(value > 0) || !Number.isFinite(value) || (whole && !Number.isInteger(value))) {
      throw new Error(`--${name} is '${values[name]}'; expected a ${whole ? 'whole ' : ''}` +
        'number above 0.');
    }
    return value;
  };
  const { quick = false } = values;
  const chosen = cases.filter((one) => (!quick || !one.large) && (!values.only ||
    `${one.group} ${one.shape}`.toLowerCase().includes(values.only.toLowerCase())));
  if (chosen.length === 0) throw new Error(`--only ${values.only}: no such case; try --list.`);
  const folder = join(repository, 'artifacts/peers');
  const rounds = number('rounds', quick ? 3 : 9, true);
  const turnSeconds = number('seconds', quick ? 0.03 : 0.2, false);
  return {
    ...values, quick, chosen, folder, rounds, turnSeconds,
    settings: { quick, rounds, turnSeconds },
    threads: number('threads', availableParallelism(), true),
    endSeconds: number('for', 1e9, false),
    out: resolve(values.out ?? join(folder, 'peers.json')),
    runtime: resolve(values.runtime ?? folder),
  };
}

/** What an earlier run wrote to the same file; null where there is nothing to go on with. */
function earlier({ resume, out, settings, threads }) {
  if (!resume || !existsSync(out)) return null;
  const report = JSON.parse(readFileSync(out, 'utf8'));
  const same = JSON.stringify([report.settings, report.threads]) ===
    JSON.stringify([settings, threads]);
  if (!same) throw new Error(`--resume: ${out} was made with other settings. Leave it out.`);
  return report;
}

// Memory is shared with whoever else is on the host: its limits are taken around each case.
async function withLimits(one, limits, run) {
  if (one.limit === 'flops') return rowOf(one, await run());
  const before = await limits();
  const result = await run();
  return { ...rowOf(one, result), machine: better(before, await limits()) };
}

async function measureAll(options, peers, rows, limits, note, save) {
  const scratch = mkdtempSync(join(tmpdir(), 'transformer-peers-'));
  process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));
  const end = Date.now() + 1000 * options.endSeconds;
  for (const one of options.chosen) {
    if (rows.some((row) => isOf(row, one))) continue;
    if (Date.now() > end) return options.chosen.filter((x) => !rows.some((row) => isOf(row, x)));
    note(`${one.group} ${one.shape}`);
    rows.push(await withLimits(
      one, limits, () => measure(one, peers, { ...options, scratch })));
    save();
  }
  return [];
}

async function main(options) {
  const note = (text) => process.stderr.write(`${text}\n`);
  const before = earlier(options);
  const ours = await startOurs({ threads: options.threads, build: !options['no-build'] });
  const { peers: others, leftOut } = await startOthers({
    threads: options.threads, runtime: options.runtime, install: !options['no-install'],
    python: options.python, llmc: options['llm-c'],
  });
  for (const { peer, reason } of leftOut) note(`${peer} is left out: ${reason}`);
  const peers = [ours, ...others];
  const limitSeconds = options.quick ? 1 : 2;
  const limits = async () => (await ours.ask('limits', limitSeconds)).machine;
  const rows = before?.rows ?? [], limitsBefore = await limits();
  let machine = before ? better(before.machine, limitsBefore) : limitsBefore;
  const report = {
    command: ['node', 'benchmarks/peers/run.mjs', ...process.argv.slice(2).map(
      (word) => (isAbsolute(word) ? basename(word) : word))].join(' '),
    date: new Date().toISOString().slice(0, 10), machine, limitsBefore, limitsAfter: null,
    threads: options.threads, loadAverageBefore: loadavg()[0], settings: options.settings,
    peers: peers.map(({ name, versions, callMs }) => ({ name, versions, callMs })), leftOut,
  };
  const save = () => writeReport(options.out,
    { ...report, machine, rows: rows.map((row) => completed(row, machine)) });
  const left = await measureAll(options, peers, rows, limits, note, save);
  report.limitsAfter = await limits();
  machine = better(machine, report.limitsAfter);
  for (const peer of peers) await peer.close();
  save();
  const shown = relative(repository, options.out);
  const done = rows.filter((row) => options.chosen.some((one) => isOf(row, one)))
    .map((row) => completed(row, machine));
  console.log(table(done, others.map((peer) => peer.name)));
  console.log(`\nratio: a peer's median time over ours. Limits: ` +
    `${machine.fmaPeakGflops.toFixed(0)} GFLOP/s, copy ${machine.copyGBs.toFixed(1)} GB/s, ` +
    `read ${machine.readGBs.toFixed(1)} GB/s; ${options.threads} threads.\n` +
    `Written to ${shown.startsWith('..') ? options.out : shown}.`);
  if (left.length > 0) note(`${left.length} cases are left: run again with --resume`);
  const wrong = differences(done);
  for (const line of wrong) note(`error: ${line}`);
  return wrong.length === 0 ? 0 : 1;
}

process.on('SIGINT', () => process.exit(130));
try {
  const options = optionsOf(process.argv.slice(2));
  if (options.help) console.log(help);
  else if (options.list) for (const { group, shape } of options.chosen) console.log(group, shape);
  else process.exitCode = await main(options);
} catch (error) {
  process.stderr.write(`error: ${error.message.split('\n')[0]}\n`);
  process.exit(2); // Peers end with their input.
}
