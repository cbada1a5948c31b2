// express-openid-connect (npm): a framework that knows nothing of organizations and sends no `org_id`. The picker supplies it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import express from 'express';
import auth from 'express-openid-connect';
import { Person, installation, step } from './person.mjs';

const { issuer, clientId, clientSecret } = installation;
const app = express();
const server = app.listen(Number(process.env.EXPRESS_PORT), '127.0.0.1');
await once(server, 'listening');
const baseURL = `http://127.0.0.1:${server.address().port}`;
app.use(auth.auth({
  issuerBaseURL: issuer,
  baseURL,
  clientID: clientId,
  clientSecret,
  secret: 'a secret of the application, long enough',
  authorizationParams: { response_type: 'code', scope: 'openid email offline_access' },
  authRequired: false,
  idpLogout: true,
  routes: { postLogoutRedirect: '/bye' },
}));
app.get('/', (request, response) => response.redirect('/me'));
app.get('/bye', (request, response) => response.json({ signedIn: request.oidc.isAuthenticated() }));
app.get('/me', auth.requiresAuth(), async (request, response) => {
  const organization = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url')).org_id;
  const first = organization(request.oidc.accessToken.access_token);
  const fresh = await request.oidc.accessToken.refresh();
  const { email } = await request.oidc.fetchUserInfo();
  response.redirect(`/shown?${new URLSearchParams({ first, refreshed: organization(fresh.access_token), email })}`);
});

try {
  const dana = new Person({ organization: 'org_globex' });
  const { url, pages } = await step('login and picker', () => dana.goes(`${baseURL}/login`, `${baseURL}/shown`));
  assert.deepEqual(pages.map((page) => page.split('/').pop()), ['login', 'choose']);
  const shown = new URL(url).searchParams;
  await step('code', () => assert.equal(shown.get('first'), 'org_globex'));
  await step('refresh', () => assert.equal(shown.get('refreshed'), 'org_globex'));
  await step('userinfo', () => assert.equal(shown.get('email'), 'dana@example.com'));
  await step('logout', async () => {
    await dana.goes(`${baseURL}/logout`, `${baseURL}/bye`);
    const again = await dana.goes(`${baseURL}/login`, `${baseURL}/shown`);
    assert.ok(again.pages.some((page) => page.endsWith('/login')), 'the session has ended');
  });
} finally {
  server.close();
  server.closeAllConnections();
}
