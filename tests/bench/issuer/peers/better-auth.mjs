// better-auth with its OAuth provider, on SQLite if its driver could be installed, else in memory. Rate limits are off, because
// they would refuse the load.   node better-auth.mjs FILE

import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { oauthProvider } from '@better-auth/oauth-provider';
import { betterAuth } from 'better-auth';
import { getMigrations } from 'better-auth/db/migration';
import { toNodeHandler } from 'better-auth/node';
import { jwt } from 'better-auth/plugins';

const API = 'https://api.example.com';
const CALLBACK = 'https://app.example.com/callback';
let handler;
const server = createServer((request, response) => handler(request, response));
await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
const origin = `http://127.0.0.1:${server.address().port}`;
const trusted = new Set();
const file = await sqlite(process.argv[2]);

const options = {
  database: file, // none is its own store in memory
  baseURL: origin,
  secret: randomBytes(32).toString('hex'),
  emailAndPassword: { enabled: true },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  disabledPaths: ['/token'],
  plugins: [
    jwt({ jwks: { keyPairConfig: { alg: 'ES256' } }, disableSettingJwtHeader: true }),
    oauthProvider({
      loginPage: '/login', consentPage: '/consent',
      scopes: ['openid', 'offline_access', 'read'],
      resources: [API],
      enforcePerClientResources: false,
      clientPrivileges: () => true,
      cachedResources: new Set([API]),
      cachedTrustedClients: trusted,
      accessTokenExpiresIn: 600, m2mAccessTokenExpiresIn: 600,
      silenceWarnings: { oauthAuthServerConfig: true, openidConfig: true },
    }),
  ],
};
if (file) await (await getMigrations(options)).runMigrations();
const auth = betterAuth(options);
handler = toNodeHandler(auth);

const operator = await auth.api.signUpEmail({
  body: { name: 'Olga', email: 'olga@example.com', password: 'correct horse battery' }, returnHeaders: true,
});
const cookie = operator.headers.getSetCookie().map((line) => line.split(';')[0]).join('; ');
const create = async (body) => {
  const { client_id, client_secret } = await auth.api.adminCreateOAuthClient({
    headers: new Headers({ cookie }),
    body: { token_endpoint_auth_method: 'client_secret_post', ...body },
  });
  trusted.add(client_id);
  return { client_id, client_secret };
};
const app = await create({
  redirect_uris: [CALLBACK], grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'],
  scope: 'offline_access read', skip_consent: true,
});
const machine = await create({
  redirect_uris: [CALLBACK], grant_types: ['client_credentials'], response_types: [], client_credentials_scopes: ['read'],
});
const base = `${origin}/api/auth`;
process.stdout.write(`ready ${JSON.stringify({
  issuer: base, origin, token: `${base}/oauth2/token`, jwks: `${base}/jwks`, authorize: `${base}/oauth2/authorize`,
  signUp: `${base}/sign-up/email`, resource: API, callback: CALLBACK, app, machine: { ...machine, resource: API },
  sqlite: Boolean(file),
})}\n`);

async function sqlite(path) {
  try {
    const { default: Database } = await import('better-sqlite3');
    const database = new Database(path);
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = NORMAL');
    return database;
  } catch (error) {
    console.error(`no SQLite: ${error.message}`);
    return undefined;
  }
}
