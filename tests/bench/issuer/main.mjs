// Runs the comparison: starts the issuers, loads them in turns, prints the tables, and ends what it has started.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import { createLocalJWKSet, jwtVerify } from 'jose';
import { load, machine, refreshing } from './load.mjs';
import { cost, stopAll } from './processes.mjs';
import { startAll } from './targets.mjs';

const [seconds, rounds] = process.argv.slice(2).map(Number);
const families = Number(process.env.FAMILIES ?? 64);
const connections = Math.min(Number(process.env.CONNECTIONS ?? 16), families);
const SCENARIOS = [
  ['refresh_token, with rotation', (target) => target.refreshers],
  ['client_credentials', (target) => Array.from({ length: connections }, () => machine(target.machine))],
];

const folder = mkdtempSync(join(process.env.TMPDIR ?? '/var/tmp', 'orgate-bench-'));
let ending;
const end = (status) => {
  ending ??= stopAll().then(() => {
    rmSync(folder, { recursive: true, force: true });
    process.exit(status);
  });
  return ending;
};
for (const [signal, status] of [['SIGINT', 130], ['SIGTERM', 143], ['SIGHUP', 129]]) process.on(signal, () => end(status));
const bound = 300 + 2 * SCENARIOS.length * 4 * (seconds + 5) * (rounds + 1);
setTimeout(() => {
  console.error(`issuer/run: not done after ${bound} s`);
  end(1);
}, bound * 1000).unref();

try {
  await end(await measure() ? 0 : 1);
} catch (error) {
  if (!ending) console.error(`issuer/run: ${error.stack}`);
  await end(1);
}

async function measure() {
  const targets = await startAll(folder, families);
  introduce();
  for (const target of targets) {
    const response = await fetch(target.jwks);
    target.keys = createLocalJWKSet(await response.json());
    target.refreshers = Array.from({ length: connections }, (_, index) => {
      const own = target.families.filter((_, at) => at % connections === index);
      return refreshing(target.app, own);
    });
  }
  let clean = true;
  for (const [title, workers] of SCENARIOS) {
    for (const target of targets) {
      await once(target, workers(target), Math.min(seconds, 3));
      target.turns = [];
    }
    for (let round = 0; round < rounds; round += 1) {
      // Each begins a round once, so that none always comes after the same one.
      const order = targets.map((_, index) => targets[(index + round) % targets.length]);
      for (const target of order) target.turns.push(await once(target, workers(target), seconds));
    }
    clean = print(title, targets) && clean;
  }
  return clean;
}

/** One measurement at one issuer. */
async function once(target, workers, length) {
  const before = cost(target.servers);
  const turn = await load(target.token, workers, length);
  const after = cost(target.servers);
  turn.cpu = (after.cpu - before.cpu) / turn.answers;
  turn.memory = after.memory;
  turn.verified = 0;
  for (const token of turn.sample) {
    try {
      const { protectedHeader, payload } = await jwtVerify(token, target.keys, { issuer: target.issuer, audience: target.audience });
      target.algorithm = protectedHeader.alg;
      if (payload.exp > Date.now() / 1000) turn.verified += 1;
    } catch (error) {
      turn.failures.push(`a token that does not verify: ${error.message}`);
    }
  }
  return turn;
}

function introduce() {
  const text = (command, ...given) => spawnSync(command, given, { encoding: 'utf8' }).stdout?.trim();
  const binary = process.env.ORGATE_BIN;
  console.log(`${new Date().toISOString()}, ${cpus().length} × ${cpus()[0]?.model}, ${Math.round(totalmem() / 2 ** 30)} GiB, `
    + `load ${loadavg().map((load) => load.toFixed(1)).join(' ')}`);
  console.log(`${text(binary, '--version')} (${Math.round(statSync(binary).size / 2 ** 20)} MiB), Node.js ${process.version}, `
    + `databases on ${text('stat', '-f', '-c', '%T', folder)}`);
  console.log(`${families} families, ${connections} connections, ${rounds} × ${seconds} s each, in turns; medians`);
  if (/\/(debug|ci|dev)\/[^/]*$/.test(binary)) console.log('This binary seems not to be a release build: its figures say little.');
}

/** Prints one table; whether everything in it is as it must be. */
function print(title, targets) {
  const [first] = targets;
  let clean = true;
  const rows = targets.map((target) => {
    const all = (what) => target.turns.map((turn) => turn[what]);
    const sum = (what) => all(what).reduce((total, value) => total + value, 0);
    const failures = all('failures').flat();
    const samples = all('sample').flat().length;
    if (failures.length || sum('unique') !== sum('answers') || !samples || sum('verified') !== samples) {
      clean = false;
      console.error(`${target.name}, ${target.store}: ${failures[0] ?? 'tokens are missing or not unique'}`);
    }
    return [
      target.name, target.store, target.durable, target.algorithm ?? '?',
      median(all('rate')).toFixed(0), median(target.turns.map((turn, round) => turn.rate / first.turns[round].rate)).toFixed(2),
      median(all('p50')).toFixed(2), median(all('p99')).toFixed(2), median(all('cpu')).toFixed(2),
      median(all('client')).toFixed(0), Math.max(...all('memory')).toFixed(0),
      failures.length, `${sum('unique')} of ${sum('answers')}`, `${sum('verified')} of ${samples}`,
    ].map(String);
  });
  const head = [
    'issuer', 'store', 'survives a power failure', 'signature', 'requests/s', 'of orgate on SQLite', 'p50 ms', 'p99 ms',
    'CPU ms/request', 'client CPU %', 'MiB', 'errors', 'unique tokens', 'verified',
  ];
  const widths = head.map((name, column) => Math.max(name.length, ...rows.map((row) => row[column].length)));
  const line = (cells) => `| ${cells.map((cell, column) => (column < 4 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]))).join(' | ')} |`;
  console.log(`\n${title}\n`);
  console.log(line(head));
  console.log(`|${widths.map((width, column) => (column < 4 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`);
  for (const row of rows) console.log(line(row));
  return clean;
}

function median(values) {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
