// oidc-provider with the store in memory that it ships: JWT access tokens for one resource, refresh tokens that rotate.
// Its refresh tokens are made by its own models.   node oidc-provider.mjs FAMILIES

import { createServer } from 'node:http';
import { randomBytes } from 'node:crypto';
import { exportJWK, generateKeyPair } from 'jose';
import Provider from 'oidc-provider';

const API = 'https://api.example.com';
const secret = randomBytes(32).toString('hex');
let app;
const server = createServer((request, response) => app(request, response));
await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
const issuer = `http://127.0.0.1:${server.address().port}`;

const { privateKey } = await generateKeyPair('ES256', { extractable: true });
const common = {
  client_secret: secret, token_endpoint_auth_method: 'client_secret_post', id_token_signed_response_alg: 'ES256',
};
const provider = new Provider(issuer, {
  jwks: { keys: [{ ...(await exportJWK(privateKey)), alg: 'ES256', use: 'sig', kid: 'bench' }] },
  cookies: { keys: [randomBytes(32).toString('hex')] },
  clients: [
    {
      ...common, client_id: 'app', grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'],
      redirect_uris: ['https://app.example.com/callback'],
    },
    { ...common, client_id: 'machine', grant_types: ['client_credentials'], response_types: [], redirect_uris: [] },
  ],
  scopes: ['openid', 'offline_access', 'read'],
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  rotateRefreshToken: true,
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => API,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope: 'read', audience: 'bench-api', accessTokenTTL: 600, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
});
app = provider.callback();

const client = await provider.Client.find('app');
const families = [];
for (let count = Number(process.argv[2]); count > 0; count -= 1) {
  const grant = new provider.Grant({ accountId: 'dana', clientId: 'app' });
  grant.addOIDCScope('offline_access');
  grant.addResourceScope(API, 'read');
  const grantId = await grant.save(86_400);
  const token = new provider.RefreshToken({
    accountId: 'dana', client, grantId, gty: 'authorization_code', scope: 'offline_access read', resource: API, rotations: 0,
  });
  families.push(await token.save(86_400));
}
process.stdout.write(`ready ${JSON.stringify({
  issuer, token: `${issuer}/token`, jwks: `${issuer}/jwks`, families,
  app: { client_id: 'app', client_secret: secret }, machine: { client_id: 'machine', client_secret: secret },
})}\n`);
