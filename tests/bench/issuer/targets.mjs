// The issuers that are compared: how each is started, and how its refresh tokens come about.

import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { start, until } from './processes.mjs';

const CALLBACK = 'https://app.example.com/callback';
const EMAIL = 'dana@example.com';
const PASSWORD = 'correct horse battery';
const here = import.meta.dirname ?? new URL('.', import.meta.url).pathname;

/** Starts all, one after the other; `count` is the number of refresh families at each. */
export async function startAll(folder, count) {
  const onSqlite = await orgate(folder, 'orgate-sqlite', 'sqlite://orgate.db', count);
  const database = await postgres(folder);
  const onPostgres = await orgate(folder, 'orgate-postgres', database.url, count);
  onPostgres.servers.push(database.server);
  return [
    { ...onSqlite, name: 'orgate', store: 'SQLite, WAL, synchronous=FULL', durable: 'yes' },
    { ...onPostgres, name: 'orgate', store: `PostgreSQL ${database.version}, its defaults`, durable: 'yes' },
    await oidcProvider(folder, count),
    await betterAuth(folder, count),
  ];
}

async function orgate(folder, name, database, count) {
  const own = join(folder, name);
  mkdirSync(own);
  const secret = randomBytes(32).toString('hex');
  writeFileSync(join(own, 'bootstrap.yaml'), `projects:
  - id: proj_bench
    name: Bench
    org_enabled: true
    audience: [bench-api]
    redirect_uris: [${CALLBACK}]
    client_secret: {env: CLIENT_SECRET}
    clients:
      - {id: app_machine, kind: m2m, secret: {env: CLIENT_SECRET}, org: acme, role: member}
    users: [{id: usr_dana, email: ${EMAIL}, password: ${PASSWORD}, email_verified: true}]
    organizations:
      - {id: org_acme, slug: acme, name: Acme, owner: ${EMAIL}}
`);
  const command = [
    process.env.ORGATE_BIN, '--log', 'warn', 'issuer', '--listen', '127.0.0.1:0', '--database', database,
    '--secret', 'issuer.secret', '--bootstrap', 'bootstrap.yaml',
  ];
  const server = start(own, name, command, { env: { CLIENT_SECRET: secret } });
  const origin = await until(server, 'listening', () => server.said.match(/^listening issuer (\S+)$[^]*^ready$/m)?.[1]);
  const issuer = `${origin}/p/proj_bench`;
  const app = { client_id: 'proj_bench', client_secret: secret };
  const about = {
    issuer, token: `${issuer}/token`, jwks: `${issuer}/jwks.json`, authorize: `${issuer}/authorize`, callback: CALLBACK, app,
    machine: { client_id: 'app_machine', client_secret: secret }, audience: 'bench-api', servers: [server],
  };
  const families = await codes(about, new Browser(), { org_id: 'org_acme' }, count);
  return { ...about, families };
}

async function oidcProvider(folder, count) {
  const server = peer(folder, 'oidc-provider', String(count));
  const about = await said(server);
  return {
    ...about, name: `oidc-provider ${version('oidc-provider')}`, store: 'memory', durable: 'no, gone at exit',
    audience: 'bench-api', servers: [server],
  };
}

async function betterAuth(folder, count) {
  const server = peer(folder, 'better-auth', 'better-auth.db');
  const about = await said(server);
  const browser = new Browser({ origin: about.origin });
  const signedUp = await browser.send(about.signUp, JSON.stringify({ name: 'Dana', email: EMAIL, password: PASSWORD }));
  if (!signedUp.ok) throw new Error(`better-auth: ${signedUp.status} ${await signedUp.text()}`);
  const families = await codes(about, browser, { scope: 'offline_access read' }, count);
  return {
    ...about, name: `better-auth ${version('better-auth')}`, audience: about.resource, servers: [server], families,
    ...(about.sqlite
      ? { store: 'SQLite, WAL, synchronous=NORMAL', durable: 'not the last moments' }
      : { store: 'memory', durable: 'no, gone at exit' }),
  };
}

function peer(folder, name, argument) {
  const own = join(folder, name);
  mkdirSync(own);
  const command = [process.execPath, join(here, 'peers', `${name}.mjs`), argument];
  return start(own, name, command, { env: { NODE_ENV: 'production' } });
}

const said = async (server) => JSON.parse(await until(server, 'being ready', () => server.said.match(/^ready (.*)$/m)?.[1]));

const version = (name) => JSON.parse(readFileSync(join(here, 'node_modules', name, 'package.json'), 'utf8')).version;

/** A server of PostgreSQL as it comes, on a Unix socket. */
async function postgres(folder) {
  const own = join(folder, 'postgres');
  mkdirSync(own);
  const owner = process.getuid() === 0 ? account() : {};
  if (owner.uid) {
    chmodSync(folder, 0o711);
    chownSync(own, owner.uid, owner.gid);
  }
  const tool = (name, ...given) => spawnSync(join(process.env.POSTGRES_BIN, name), given, { ...owner, cwd: own, encoding: 'utf8' });
  const made = tool(
    'initdb', '--pgdata', 'data', '--username=postgres', '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-instructions',
  );
  if (made.status !== 0) throw new Error(`initdb: ${made.error?.message ?? made.stderr}`);
  const command = [
    join(process.env.POSTGRES_BIN, 'postgres'), '-D', join(own, 'data'), '-c', 'listen_addresses=',
    '-c', `unix_socket_directories=${own}`,
  ];
  const server = start(folder, 'postgres-server', command, { owner, cwd: own });
  await until(server, 'readiness', () => tool('pg_isready', '-q', '-h', own, '-U', 'postgres', '-d', 'postgres').status === 0);
  const number = tool('postgres', '--version').stdout.match(/\d+(\.\d+)?/)[0];
  return { server, version: number, url: `postgres:///postgres?user=postgres&host=${own}` };
}

/** Who runs it: root may not. */
function account() {
  const users = readFileSync('/etc/passwd', 'utf8').split('\n').map((line) => line.split(':'));
  const user = users.find(([name]) => name === 'postgres') ?? users.find(([name]) => name === 'nobody');
  if (!user) throw new Error('root may not run PostgreSQL, and there is no user `postgres`');
  return { uid: Number(user[2]), gid: Number(user[3]) };
}

/** Goes to `authorize` again and again and changes each code for tokens. */
async function codes(about, browser, extra, count) {
  const families = [];
  for (let turn = 0; turn < count; turn += 1) {
    const verifier = randomBytes(32).toString('base64url');
    const url = new URL(about.authorize);
    url.search = new URLSearchParams({
      client_id: about.app.client_id, response_type: 'code', redirect_uri: about.callback, state: verifier.slice(0, 16),
      code_challenge: createHash('sha256').update(verifier).digest('base64url'), code_challenge_method: 'S256',
      ...(about.resource && { resource: about.resource }), ...extra,
    });
    const code = new URL(await browser.goes(url.href, about.callback)).searchParams.get('code');
    const response = await fetch(about.token, {
      method: 'POST',
      body: new URLSearchParams({
        ...about.app, grant_type: 'authorization_code', code, redirect_uri: about.callback, code_verifier: verifier,
        ...(about.resource && { resource: about.resource }),
      }),
    });
    const answer = await response.json();
    if (!answer.refresh_token) throw new Error(`${about.token}: ${response.status} ${answer.error}: ${answer.error_description}`);
    families.push(answer.refresh_token);
  }
  return families;
}

/** Keeps cookies, follows redirects and fills in the form of the sign-in. */
class Browser {
  #cookies = new Map();
  #headers;

  constructor(headers = {}) {
    this.#headers = headers;
  }

  async goes(url, target) {
    let response = await this.send(url);
    for (let turn = 0; turn < 10; turn += 1) {
      const json = response.headers.get('content-type')?.startsWith('application/json');
      const location = response.headers.get('location') ?? (json && (await response.clone().json()).url);
      if (location) {
        url = new URL(location, url).href;
        if (url.startsWith(target)) return url;
        response = await this.send(url);
        continue;
      }
      const page = await response.text();
      const form = page.match(/<form[^>]*method="post"[^>]*>[^]*?<\/form>/i)?.[0];
      if (!form) throw new Error(`no way on at ${url}: ${response.status} ${page.slice(0, 500)}`);
      const fields = new URLSearchParams();
      for (const [tag] of form.matchAll(/<(?:input|button)[^>]*>/g)) {
        const name = attribute(tag, 'name');
        if (name && !fields.has(name)) fields.set(name, { email: EMAIL, password: PASSWORD }[name] ?? attribute(tag, 'value') ?? '');
      }
      url = new URL(attribute(form, 'action') ?? url, url).href;
      response = await this.send(url, fields);
    }
    throw new Error(`no way to ${target}, last at ${url}`);
  }

  async send(url, body) {
    const headers = { ...this.#headers, 'sec-fetch-site': 'same-origin' };
    if (!body || body instanceof URLSearchParams) headers.accept = 'text/html';
    else headers['content-type'] = 'application/json';
    if (this.#cookies.size) headers.cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(url, { method: body ? 'POST' : 'GET', headers, body, redirect: 'manual' });
    for (const line of response.headers.getSetCookie()) {
      const [pair] = line.split(';');
      const at = pair.indexOf('=');
      this.#cookies.set(pair.slice(0, at), pair.slice(at + 1));
    }
    return response;
  }
}

function attribute(tag, name) {
  return tag.match(new RegExp(`\\s${name}="([^"]*)"`))?.[1]
    .replaceAll('&#x2f;', '/').replaceAll('&quot;', '"').replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
}
