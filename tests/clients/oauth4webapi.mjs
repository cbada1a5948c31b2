// oauth4webapi (npm): the strict low-level client. Public client, PKCE, RFC 9207; a machine with client credentials.
import assert from 'node:assert/strict';
import * as oauth from 'oauth4webapi';
import { Person, installation, step } from './person.mjs';

const { issuer, publicClientId, machineId, machineSecret, callback, audience } = installation;
const insecure = { [oauth.allowInsecureRequests]: true };
const url = new URL(issuer);
const client = { client_id: publicClientId };

const server = await step('discovery (RFC 8414 and OpenID Connect)', async () => {
  await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, { algorithm: 'oauth2', ...insecure }));
  return oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, { algorithm: 'oidc', ...insecure }));
});
assert.equal(server.authorization_response_iss_parameter_supported, true);

const verifier = oauth.generateRandomCodeVerifier();
const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()];
const asked = new URL(server.authorization_endpoint);
asked.search = new URLSearchParams({
  client_id: publicClientId,
  redirect_uri: callback,
  response_type: 'code',
  scope: 'openid email',
  state,
  nonce,
  code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
});
const dana = new Person({ organization: 'org_globex' });
const answer = await step('login and picker', async () => {
  const { url: back } = await dana.goes(asked.href, callback);
  return oauth.validateAuthResponse(server, client, new URL(back), state);
});
let tokens = await step('code', async () => {
  const response = await oauth.authorizationCodeGrantRequest(server, client, oauth.None(), answer, callback, verifier, insecure);
  return oauth.processAuthorizationCodeResponse(server, client, response, { expectedNonce: nonce, requireIdToken: true });
});
const { sub } = oauth.getValidatedIdTokenClaims(tokens);
const judged = (token) =>
  oauth.validateJwtAccessToken(server, new Request('http://127.0.0.1/', { headers: { authorization: `Bearer ${token}` } }), audience, insecure);
await step('access token (RFC 9068)', async () => {
  const claims = await judged(tokens.access_token);
  assert.deepEqual([claims.sub, claims.org_id, claims.client_id], [sub, 'org_globex', publicClientId]);
});
await step('userinfo', async () => {
  const response = await oauth.userInfoRequest(server, client, tokens.access_token, insecure);
  assert.equal((await oauth.processUserInfoResponse(server, client, sub, response)).email, 'dana@example.com');
});
const refresh = async (token, more) => {
  const options = { ...insecure, additionalParameters: more };
  const response = await oauth.refreshTokenGrantRequest(server, client, oauth.None(), token, options);
  return oauth.processRefreshTokenResponse(server, client, response);
};
await step('refresh', async () => {
  tokens = await refresh(tokens.refresh_token);
  assert.equal((await judged(tokens.access_token)).org_id, 'org_globex');
});
await step('organization switch', async () => {
  tokens = await refresh(tokens.refresh_token, { org_id: 'org_acme' });
  assert.equal((await judged(tokens.access_token)).org_role, 'admin');
});
await step('revocation', async () => {
  const response = await oauth.revocationRequest(server, client, oauth.None(), tokens.refresh_token, insecure);
  await oauth.processRevocationResponse(response);
  await assert.rejects(refresh(tokens.refresh_token), { error: 'invalid_grant' });
});
await step('client credentials, for an organization', async () => {
  const machine = { client_id: machineId };
  const response = await oauth.clientCredentialsGrantRequest(server, machine, oauth.ClientSecretPost(machineSecret), {}, insecure);
  const { access_token: token } = await oauth.processClientCredentialsResponse(server, machine, response);
  const claims = await judged(token);
  assert.deepEqual([claims.sub, claims.org_id], [machineId, 'org_acme']);
});
