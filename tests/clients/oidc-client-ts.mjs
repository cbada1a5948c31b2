// oidc-client-ts (npm): the client of single-page applications. Public client; refreshes in place of frames.
import assert from 'node:assert/strict';
import { InMemoryWebStorage, OidcClient, WebStorageStateStore } from 'oidc-client-ts';
import { Person, installation, step } from './person.mjs';

const { issuer, publicClientId, callback, afterLogout } = installation;
const client = new OidcClient({
  authority: issuer,
  client_id: publicClientId,
  redirect_uri: callback,
  post_logout_redirect_uri: afterLogout,
  scope: 'openid email',
  loadUserInfo: true,
  stateStore: new WebStorageStateStore({ store: new InMemoryWebStorage() }),
});
const dana = new Person();
const org = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url')).org_id;

const asked = await step('discovery', () => client.createSigninRequest({}));
const back = await step('login and picker', async () => (await dana.goes(asked.url, callback)).url);
let response = await step('code and userinfo', async () => {
  const answer = await client.processSigninResponse(back);
  assert.equal(answer.profile.email, 'dana@example.com');
  assert.equal(org(answer.access_token), 'org_acme');
  return answer;
});
const state = () => ({ ...response, session_state: null, data: undefined });
await step('refresh', async () => {
  response = await client.useRefreshToken({ state: state() });
  assert.equal(org(response.access_token), 'org_acme');
});
await step('organization switch', async () => {
  response = await client.useRefreshToken({ state: state(), extraTokenParams: { org_id: 'org_globex' } });
  assert.equal(org(response.access_token), 'org_globex');
});
await step('revocation', async () => {
  await client.revokeToken(response.refresh_token, 'refresh_token');
  await assert.rejects(client.useRefreshToken({ state: state() }), { error: 'invalid_grant' });
});
await step('logout', async () => {
  const out = await client.createSignoutRequest({ id_token_hint: response.id_token, state: { from: 'here' } });
  const { url } = await dana.goes(out.url, afterLogout);
  const done = await client.processSignoutResponse(url);
  assert.equal(done.userState?.from, 'here');
});
