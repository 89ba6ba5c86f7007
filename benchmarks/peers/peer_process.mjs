// A peer in a process of its own: a request is a line of words with tabs between them, the answer
// a line 'ok JSON', 'cannot REASON' (it lacks the op) or 'error MESSAGE'.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** A peer lacks what was asked for. */
export class CannotError extends Error {}

export class PeerProcess {
  #child;
  #waiting = null;
  #failure = null;
  #errors = '';
  #exited;

  /** Starts a program; `environment` is added to this process's. */
  constructor(command, args, environment) {
    this.#child = spawn(command, args, {
      env: { ...process.env, ...environment }, stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#child.stderr.on('data', (text) => { this.#errors = (this.#errors + text).slice(-4000); });
    this.#child.stdin.on('error', () => {}); // It ended: 'close' tells why.
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#answer(line));
    this.#exited = new Promise((resolve) => {
      this.#child.on('error', (error) => this.#fail(error.message, resolve));
      this.#child.on('close', (code, signal) => {
        const last = this.#errors.trim().split('\n').at(-1);
        this.#fail(`${command} ended with ${signal ?? `exit code ${code}`}` +
          (last ? `: ${last}` : ''), resolve);
      });
    });
  }

  /** The value of an answer. */
  async ask(...words) {
    if (this.#failure) throw new Error(this.#failure);
    const line = await new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#child.stdin.write(`${words.join('\t')}\n`);
    });
    const [, kind, rest] = /^(\w+) ?(.*)$/.exec(line) ?? [];
    if (kind === 'ok') return JSON.parse(rest);
    if (kind === 'cannot') throw new CannotError(rest);
    throw new Error(kind === 'error' ? rest : `answered '${line}'`);
  }

  /** Ends it. */
  async close() {
    this.#child.stdin.end();
    await this.#exited;
  }

  #answer(line) {
    this.#waiting?.resolve(line);
    this.#waiting = null;
  }

  #fail(message, done) {
    this.#failure ??= message;
    this.#waiting?.reject(new Error(message));
    this.#waiting = null;
    done();
  }
}

/** The other end: answers requests by the handlers of their first words. */
export async function serve(handlers) {
  for await (const line of createInterface({ input: process.stdin })) {
    const [word, ...words] = line.split('\t');
    let answer;
    try {
      if (!Object.hasOwn(handlers, word)) throw new Error(`'${word}' is no request`);
      answer = `ok ${JSON.stringify(await handlers[word](...words) ?? [])}`;
    } catch (error) {
      const text = String(error.message ?? error).replace(/\s+/g, ' ');
      answer = `${error instanceof CannotError ? 'cannot' : 'error'} ${text}`;
    }
    process.stdout.write(`${answer}\n`);
  }
}
