// Starts servers that end with this process, however it ends, and reads what they cost.

import { spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const TICKS = Number(spawnSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }).stdout) || 100;
// A process beside the server waits at the end of a pipe that only this process holds; when that closes, it stops the server.
const TETHER = `exec 3<&0
"$@" </dev/null 3<&- & server=$!
(cat <&3 >/dev/null; kill -TERM $server 2>/dev/null) >/dev/null 2>&1 & watch=$!
wait $server; status=$?
kill $watch 2>/dev/null
exit $status`;

const running = [];

/** Starts `command` with its standard error in `folder`/`name`.log. */
export function start(folder, name, command, { env = {}, cwd = folder, owner = {} } = {}) {
  const log = join(folder, `${name}.log`);
  const errors = openSync(log, 'a');
  const shell = spawn('sh', ['-c', TETHER, 'sh', ...command], {
    // A signal from the keyboard is for this process only.
    cwd, ...owner, detached: true, stdio: ['pipe', 'pipe', errors], env: { ...process.env, ...env },
  });
  closeSync(errors);
  const server = { name, log, pid: shell.pid, said: '', ended: false };
  shell.stdin.on('error', () => {});
  shell.stdout.setEncoding('utf8').on('data', (text) => { server.said = (server.said + text).slice(-1e6); });
  const exit = new Promise((resolve) => {
    shell.on('exit', resolve);
    shell.on('error', resolve);
  }).then(() => { server.ended = true; });
  server.stop = () => {
    shell.stdin.end();
    return Promise.race([exit, pause(15_000)]);
  };
  running.push(server);
  return server;
}

/** Stops everything, last started first. */
export async function stopAll() {
  for (const server of running.splice(0).reverse()) await server.stop();
}

/** Waits until `held()` is true, or fails with what the server said. */
export async function until(server, what, held) {
  for (let turn = 0; turn < 600; turn += 1) {
    const value = await held();
    if (value) return value;
    if (server.ended) break;
    await pause(100);
  }
  throw new Error(`${server.name}: ${what} did not come to pass\n${readFileSync(server.log, 'utf8').slice(-2000)}`);
}

export const pause = (milliseconds) => new Promise((resolve) => { setTimeout(resolve, milliseconds).unref(); });

/** What the processes below `servers` have used of the processors so far, in milliseconds, and their memory in MiB. */
export function cost(servers) {
  let cpu = 0;
  let memory = 0;
  for (const pid of servers.flatMap((server) => below(server.pid))) {
    try {
      const [, name, rest] = readFileSync(`/proc/${pid}/stat`, 'latin1').match(/^\d+ \((.*)\) (.*)/s);
      if (name === 'sh' || name === 'cat') continue;
      const fields = rest.split(' ');
      cpu += ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS;
      memory += Number(readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1').match(/^Pss:\s+(\d+)/m)[1]) / 1024;
    } catch (error) {
      if (!['ENOENT', 'ESRCH'].includes(error.code)) throw error;
    }
  }
  return { cpu, memory };
}

function below(pid) {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ').filter(Boolean);
    return children.flatMap((child) => [child, ...below(child)]);
  } catch {
    return [];
  }
}
