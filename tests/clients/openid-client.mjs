// openid-client (npm): a certified relying party. Confidential client, Basic.
import assert from 'node:assert/strict';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import * as client from 'openid-client';
import { Person, installation, step } from './person.mjs';

const { issuer, clientId, clientSecret, callback, afterLogout, audience } = installation;
const insecure = { execute: [client.allowInsecureRequests] };
const dana = new Person();

const config = await step('discovery', () =>
  client.discovery(new URL(issuer), clientId, clientSecret, client.ClientSecretBasic(clientSecret), insecure));
const keys = createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri));
const read = async (token) => (await jwtVerify(token, keys, { issuer, audience, typ: 'at+jwt' })).payload;

const verifier = client.randomPKCECodeVerifier();
const [state, nonce] = [client.randomState(), client.randomNonce()];
const asked = client.buildAuthorizationUrl(config, {
  redirect_uri: callback,
  scope: 'openid email profile offline_access',
  code_challenge: await client.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
  state,
  nonce,
});
const back = await step('login and picker', async () => {
  const { url, pages } = await dana.goes(asked.href, callback);
  assert.deepEqual(pages.map((page) => page.split('/').pop()), ['login', 'choose']);
  return new URL(url);
});
let tokens = await step('code', () =>
  client.authorizationCodeGrant(config, back, { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce }));
const person = tokens.claims();
await step('organization in the code', async () => {
  const claims = await read(tokens.access_token);
  assert.equal(claims.org_id, 'org_acme');
  assert.equal(claims.org_slug, 'acme');
  assert.equal(claims.org_role, 'admin');
  assert.equal(person.org_permissions, undefined);
});
await step('userinfo', async () => {
  const about = await client.fetchUserInfo(config, tokens.access_token, person.sub);
  assert.equal(about.email, 'dana@example.com');
});
await step('refresh', async () => {
  const before = tokens.refresh_token;
  tokens = await client.refreshTokenGrant(config, before);
  assert.notEqual(tokens.refresh_token, before);
  assert.equal((await read(tokens.access_token)).org_id, 'org_acme');
});
await step('organization switch', async () => {
  tokens = await client.refreshTokenGrant(config, tokens.refresh_token, { org_id: 'org_globex' });
  const claims = await read(tokens.access_token);
  assert.deepEqual([claims.org_id, claims.org_role], ['org_globex', 'viewer']);
});
await step('a foreign organization', async () => {
  await assert.rejects(client.refreshTokenGrant(config, tokens.refresh_token, { org_id: 'org_initech' }), { error: 'invalid_target' });
  tokens = await client.refreshTokenGrant(config, tokens.refresh_token);
  assert.equal((await read(tokens.access_token)).org_id, 'org_globex');
});
await step('introspection', async () => {
  const about = await client.tokenIntrospection(config, tokens.access_token);
  assert.deepEqual([about.active, about.org_id], [true, 'org_globex']);
});
await step('revocation', async () => {
  await client.tokenRevocation(config, tokens.refresh_token);
  await assert.rejects(client.refreshTokenGrant(config, tokens.refresh_token), { error: 'invalid_grant' });
  assert.equal((await client.tokenIntrospection(config, tokens.access_token)).active, false);
});
await step('logout', async () => {
  const out = client.buildEndSessionUrl(config, {
    post_logout_redirect_uri: afterLogout,
    id_token_hint: tokens.id_token,
    state: 'bye',
  });
  const { url } = await dana.goes(out.href, afterLogout);
  assert.equal(new URL(url).searchParams.get('state'), 'bye');
  const again = await dana.goes(asked.href, callback);
  assert.ok(again.pages.some((page) => page.endsWith('/login')), 'the session has ended');
});
