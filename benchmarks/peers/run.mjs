// Times the library beside ONNX Runtime and PyTorch: node benchmarks/peers/run.mjs --help
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { cases } from './cases.mjs';
import { measure } from './measure.mjs';
import { startOthers, startOurs } from './peers.mjs';
import { differences, rowOf, table, writeReport } from './report.mjs';

const help = `Times the library beside its peers, in turns and on the same inputs.

node benchmarks/peers/run.mjs [options]
  --quick           the smaller shapes, few rounds
  --only TEXT       cases whose name contains the text, such as attention, decode, S1024
  --threads N       threads of every peer; default: all processors
  --rounds N        turns of every peer; default 9, quick 3
  --seconds X       time of a turn; default 0.2, quick 0.03
  --out FILE        default artifacts/peers/peers.json
  --runtime FOLDER  where onnxruntime-node is or will be; default artifacts/peers
  --python PROGRAM  a Python with torch and numpy; default: the first found
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
      runtime: { type: 'string' }, python: { type: 'string' }, 'no-install': { type: 'boolean' },
      'no-build': { type: 'boolean' }, list: { type: 'boolean' }, help: { type: 'boolean' },
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
  return {
    ...values, quick, chosen, folder,
    threads: number('threads', availableParallelism(), true),
    rounds: number('rounds', quick ? 3 : 9, true),
    turnSeconds: number('seconds', quick ? 0.03 : 0.2, false),
    out: resolve(values.out ?? join(folder, 'peers.json')),
    runtime: resolve(values.runtime ?? folder),
  };
}

// The machine's limits, measured before and after: a limit is what it can do undisturbed.
function better(first, second) {
  const figures = Object.entries(first).map(([name, value]) =>
    [name, typeof value === 'number' ? Math.max(value, second[name]) : value]);
  return Object.fromEntries(figures);
}

async function measureAll(options, peers, note) {
  const scratch = mkdtempSync(join(tmpdir(), 'transformer-peers-'));
  process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));
  const measured = [];
  for (const one of options.chosen) {
    note(`${one.group} ${one.shape}`);
    measured.push([one, await measure(one, peers, { ...options, scratch })]);
  }
  return measured;
}

async function main(options) {
  const note = (text) => process.stderr.write(`${text}\n`);
  const ours = await startOurs({ threads: options.threads, build: !options['no-build'] });
  const { peers: others, leftOut } = await startOthers({
    threads: options.threads, runtime: options.runtime, install: !options['no-install'],
    python: options.python,
  });
  for (const { peer, reason } of leftOut) note(`${peer} is left out: ${reason}`);
  const peers = [ours, ...others];
  const limitSeconds = options.quick ? 1 : 3, loadBefore = loadavg()[0];
  const before = await ours.ask('limits', limitSeconds);
  const measured = await measureAll(options, peers, note);
  const after = await ours.ask('limits', limitSeconds);
  const machine = better(before.machine, after.machine);
  const rows = measured.map(([one, result]) => rowOf(one, result, machine));
  for (const peer of peers) await peer.close();
  const shown = relative(repository, options.out);
  writeReport(options.out, {
    command: ['node', 'benchmarks/peers/run.mjs', ...process.argv.slice(2)].join(' '),
    date: new Date().toISOString().slice(0, 10), machine, limitsBefore: before.machine,
    limitsAfter: after.machine, threads: options.threads, loadAverageBefore: loadBefore,
    settings: {
      quick: options.quick, rounds: options.rounds, turnSeconds: options.turnSeconds,
    },
    peers: peers.map(({ name, versions, callMs }) => ({ name, versions, callMs })), leftOut, rows,
  });
  console.log(table(rows, others.map((peer) => peer.name)));
  console.log(`\nratio: a peer's median time over ours. Limits: ` +
    `${machine.fmaPeakGflops.toFixed(0)} GFLOP/s, copy ${machine.copyGBs.toFixed(1)} GB/s, ` +
    `read ${machine.readGBs.toFixed(1)} GB/s; ${options.threads} threads.\n` +
    `Written to ${shown.startsWith('..') ? options.out : shown}.`);
  const wrong = differences(rows);
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
