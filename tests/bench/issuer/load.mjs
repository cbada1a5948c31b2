// The load: connections that stay open, each with one request under way. It reads just as much of HTTP/1.1 as the answers need,
// so that it costs less than what it measures.

import { hash } from 'node:crypto';
import { connect } from 'node:net';
import { performance } from 'node:perf_hooks';

const PATIENCE = 10_000;

class Connection {
  #socket;
  #head;
  #waiting;
  #received = Buffer.alloc(0);

  constructor(url) {
    this.url = new URL(url);
    this.#head = `POST ${this.url.pathname} HTTP/1.1\r\nhost: ${this.url.host}\r\naccept: application/json\r\n`
      + 'content-type: application/x-www-form-urlencoded\r\ncontent-length: ';
  }

  async open() {
    this.#socket = connect({ host: this.url.hostname, port: Number(this.url.port), noDelay: true });
    this.#socket.setTimeout(PATIENCE, () => this.#socket.destroy(new Error('no answer in time')));
    this.#socket.on('data', (bytes) => this.#read(bytes));
    this.#socket.on('error', (error) => this.#fail(error));
    this.#socket.on('close', () => this.#fail(new Error('the connection was closed')));
    await new Promise((resolve, reject) => {
      this.#waiting = { reject };
      this.#socket.once('connect', resolve);
    });
    this.#waiting = undefined;
  }

  post(form) {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket.write(`${this.#head}${form.length}\r\n\r\n${form}`, 'latin1');
    });
  }

  close() {
    this.#socket.destroy();
  }

  #fail(error) {
    this.#waiting?.reject(error);
    this.#waiting = undefined;
  }

  #read(bytes) {
    this.#received = this.#received.length ? Buffer.concat([this.#received, bytes]) : bytes;
    const answer = parse(this.#received);
    if (!answer) return;
    this.#received = Buffer.alloc(0);
    const { resolve } = this.#waiting;
    this.#waiting = undefined;
    resolve(answer);
  }
}

/** One whole answer, or nothing yet. */
function parse(bytes) {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const head = bytes.latin1Slice(0, end).toLowerCase();
  const status = Number(head.slice(9, 12));
  const length = head.match(/\r\ncontent-length: *(\d+)/);
  if (length) {
    const whole = end + 4 + Number(length[1]);
    return bytes.length < whole ? undefined : { status, body: bytes.utf8Slice(end + 4, whole) };
  }
  if (!head.includes('\r\ntransfer-encoding: chunked')) throw new Error(`an answer without a length: ${head}`);
  const parts = [];
  for (let at = end + 4; ;) {
    const line = bytes.indexOf('\r\n', at);
    if (line < 0) return undefined;
    const size = Number.parseInt(bytes.latin1Slice(at, line), 16);
    at = line + 2 + size + 2;
    if (bytes.length < at) return undefined;
    if (size === 0) return { status, body: Buffer.concat(parts).toString() };
    parts.push(bytes.subarray(line + 2, line + 2 + size));
  }
}

/**
 * Asks `url` for tokens during `seconds`. Each of `workers` is a function that gives the next form and one that takes the answer
 * (and throws if it is not what it must be); a worker has a connection of its own and one request under way.
 */
export async function load(url, workers, seconds) {
  const times = [];
  const unique = new Set();
  const failures = [];
  const sample = [];
  const connections = await Promise.all(workers.map(async () => {
    const connection = new Connection(url);
    await connection.open();
    return connection;
  }));
  const cpu = process.cpuUsage();
  const begin = performance.now();
  const deadline = begin + seconds * 1000;
  await Promise.all(workers.map(async (worker, index) => {
    let last;
    try {
      for (let now = performance.now(); now < deadline;) {
        const form = worker.next();
        const { status, body } = await connections[index].post(form);
        if (status !== 200) throw new Error(`${status}: ${body.slice(0, 300)}`);
        last = worker.take(JSON.parse(body));
        unique.add(hash('sha1', last, 'base64'));
        const then = performance.now();
        times.push(then - now);
        now = then;
      }
    } catch (error) {
      failures.push(error.message);
    }
    if (last) sample.push(last);
  }));
  const elapsed = performance.now() - begin;
  const used = process.cpuUsage(cpu);
  for (const connection of connections) connection.close();
  times.sort((one, other) => one - other);
  const quantile = (share) => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? Number.NaN;
  return {
    answers: times.length, unique: unique.size, failures, sample,
    rate: (times.length * 1000) / elapsed, p50: quantile(0.5), p99: quantile(0.99),
    client: (used.user + used.system) / 10 / elapsed,
  };
}

/** A worker that refreshes its families one after the other, each with the token that it got last. */
export function refreshing(client, families) {
  let at = 0;
  return {
    next: () => form({ ...client, grant_type: 'refresh_token', refresh_token: families[at] }),
    take: (answer) => {
      const token = accessToken(answer);
      if (typeof answer.refresh_token !== 'string') throw new Error('an answer without a refresh token');
      if (answer.refresh_token === families[at]) throw new Error('the refresh token did not rotate');
      families[at] = answer.refresh_token;
      at = (at + 1) % families.length;
      return token;
    },
  };
}

/** A worker that asks for tokens of the client itself. */
export function machine(client) {
  const body = form({ ...client, grant_type: 'client_credentials' });
  return { next: () => body, take: accessToken };
}

function accessToken(answer) {
  if (typeof answer.access_token !== 'string') throw new Error('an answer without an access token');
  return answer.access_token;
}

const form = (fields) => new URLSearchParams(fields).toString();
