// Which peers there are, and how each is started or, where it is missing, installed.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { PeerProcess } from './peer_process.mjs';

const here = import.meta.dirname;
const repository = resolve(here, '../..');
const onnxRuntime = 'onnxruntime-node@1.30.0';

/** Builds and starts the library; throws where that fails. */
export async function startOurs({ threads, build }) {
  const project = join(repository, 'benchmarks/Transformer.Benchmarks');
  if (build) {
    execFileSync('dotnet', ['build', '-c', 'Release', '--nologo', '-v', 'q', project],
      { stdio: ['ignore', 'inherit', 'inherit'] });
  }
  const program = join(project, 'bin/Release/net10.0/Transformer.Benchmarks.dll');
  return started(new PeerProcess('dotnet', [program, '--peer'],
    { TRANSFORMER_THREADS: String(threads) }));
}

/**
 * Starts every other peer that is there.
 * @returns {Promise<{peers: object[], leftOut: {peer: string, reason: string}[]}>}
 */
export async function startOthers({ threads, runtime, install, python, llmc }) {
  const candidates = {
    'ONNX Runtime': () => startOnnxRuntime(threads, runtime, install),
    PyTorch: () => startPyTorch(threads, python),
    'llm.c': () => startLlmC(threads, runtime, llmc),
  };
  const peers = [], leftOut = [];
  for (const [peer, start] of Object.entries(candidates)) {
    try {
      peers.push(await start());
    } catch (error) {
      leftOut.push({ peer, reason: error.message });
    }
  }
  return { peers, leftOut };
}

async function started(process) {
  const { peer, versions, callMs } = await process.ask('hello');
  return { name: peer, versions, callMs, ask: (...words) => process.ask(...words),
    close: () => process.close() };
}

async function startOnnxRuntime(threads, folder, install) {
  // Without scripts: those fetch libraries for graphics cards.
  const command =
    ['npm', 'install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', folder,
      onnxRuntime];
  const found = () => existsSync(join(folder, 'node_modules/onnxruntime-node'));
  if (!found() && install) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{"private": true}\n');
    spawnSync(command[0], command.slice(1), { stdio: ['ignore', 'ignore', 'inherit'] });
  }
  if (!found()) throw new Error(`not installed; '${command.join(' ')}' installs it`);
  return started(new PeerProcess(process.execPath,
    [join(here, 'onnxruntime.mjs'), folder, String(threads)], {}));
}

async function startPyTorch(threads, python) {
  const candidates = python ? [python] : ['python3', '/usr/bin/python3'];
  const found = candidates.find((program) =>
    spawnSync(program, ['-c', 'import numpy, torch'], { stdio: 'ignore' }).status === 0);
  if (!found) {
    throw new Error(`no Python with torch and numpy as ${candidates.join(' or ')}; on Debian ` +
      "'apt-get install python3-torch python3-numpy libopenblas0-pthread' installs it, " +
      "--python PROGRAM names another");
  }
  const count = String(threads);
  return started(new PeerProcess(found, [join(here, 'pytorch.py'), count], {
    OMP_NUM_THREADS: count, OPENBLAS_NUM_THREADS: count, MKL_NUM_THREADS: count,
    // Results keep their pages from call to call, as the other peers' do; by default glibc
    // returns large blocks to the system, and every call would fault them in again.
    MALLOC_MMAP_MAX_: '0', MALLOC_TRIM_THRESHOLD_: String(2 ** 40), MALLOC_ARENA_MAX: '1',
  }));
}

async function startLlmC(threads, folder, checkout) {
  if (!checkout || !existsSync(join(checkout, 'train_gpt2.c'))) {
    throw new Error(`no train_gpt2.c in ${checkout ?? 'a folder that --llm-c names'}; ` +
      "'git clone https://github.com/karpathy/llm.c' brings it");
  }
  const program = join(folder, 'llmc'), source = join(here, 'llmc.c');
  const git = spawnSync('git', ['-C', checkout, 'rev-parse', '--short', 'HEAD']);
  const version = git.status === 0 ? String(git.stdout).trim() : 'unknown';
  mkdirSync(folder, { recursive: true });
  // The flags of llm.c's own Makefile.
  execFileSync('cc', ['-Ofast', '-march=native', '-fno-finite-math-only', '-fopenmp',
    `-DLLMC_VERSION="${version}"`, `-I${resolve(checkout)}`, source, '-lm', '-o', program],
    { stdio: ['ignore', 'ignore', 'pipe'] });
  return started(new PeerProcess(program, [], { OMP_NUM_THREADS: String(threads) }));
}
