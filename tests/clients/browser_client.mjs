// What of examples/browser-client needs no browser: an issuer that answers as the test says.
import assert from 'node:assert/strict';
import { createClient, OrgateError } from '../../examples/browser-client/orgate-client.js';

const ISSUER = 'https://id.example.com/p/proj_demo';
const session = (org, id = 'ses_1') => ({
  id,
  user: { id: 'usr_a' },
  activeOrganizationId: org,
  organization: org && { id: org, name: org, slug: org },
});
const json = (status, body, headers = {}) => new Response(body === null ? null : JSON.stringify(body), { status, headers });

/** A client whose requests `answer` is asked about, and the requests. */
function client(answer, options = {}) {
  const asked = [];
  const send = async (url, init) => {
    asked.push({ line: `${init.method || 'GET'} ${url}`, ...init });
    return answer(String(url), init, asked.length);
  };
  return { asked, orgate: createClient({ issuer: ISSUER, fetch: send, ...options }) };
}
const holds = (step) => console.log(`held: ${step}`);
const refused = async (work, code) => {
  const error = await work.then(() => assert.fail(`${code} was expected`), (error) => error);
  assert.ok(error instanceof OrgateError, String(error));
  assert.equal(error.code, code);
  return error;
};

{
  const { asked, orgate } = client(() => json(200, session('acme')));
  const all = await Promise.all([orgate.session(), orgate.session(), orgate.session()]);
  assert.equal(asked.length, 1);
  assert.equal(asked[0].line, `GET ${ISSUER}/v1/auth/session`);
  assert.equal(asked[0].credentials, 'include');
  assert.equal(all[2].activeOrganizationId, 'acme');
  assert.equal((await orgate.session()).organization, all[0].organization, 'the same object while nothing changed');
  holds('one read for many callers');
}
{
  const tags = [];
  const { orgate } = client((_, { headers }, number) => {
    tags.push(headers['if-none-match']);
    if (number === 2) return json(304, null);
    return json(200, session(number < 3 ? 'acme' : 'globex'), { etag: `"${number}"` });
  });
  const first = await orgate.session();
  assert.equal(await orgate.session(), first);
  assert.equal((await orgate.session()).activeOrganizationId, 'globex');
  await orgate.session();
  assert.deepEqual(tags, [undefined, '"1"', '"1"', '"3"']);
  holds('entity tags');
}
{
  const { orgate } = client(() => json(401, { code: 'unauthenticated', title: 'Sign in' }));
  assert.equal(await orgate.session(), null);
  assert.equal((await refused(orgate.user.getOrganizations(), 'unauthenticated')).status, 401);
  holds('nobody is signed in');
}
{
  const problem = { code: 'invalid_value', detail: 'is too long', field: 'name', request_id: 'r1' };
  const { orgate } = client((url) => {
    if (url.endsWith('/organizations')) return json(422, problem);
    if (url.includes('/me/')) return new Response('<h1>Bad gateway</h1>', { status: 502, headers: { 'retry-after': '7' } });
    throw new TypeError('fetch failed');
  });
  const error = await refused(orgate.organizations.create({ name: 'x' }), 'invalid_value');
  assert.deepEqual([error.field, error.status, error.requestId, error.message], ['name', 422, 'r1', 'is too long']);
  assert.equal((await refused(orgate.user.getOrganizations(), 'http_502')).retryAfter, 7);
  assert.ok((await refused(orgate.session(), 'network')).cause instanceof TypeError);
  assert.throws(() => createClient({ issuer: 'https://id.example.com' }), { code: 'bad_issuer' });
  assert.throws(() => orgate.useActiveOrganization(), { code: 'no_react' });
  holds('errors have codes');
}
{
  const { asked, orgate } = client((url) =>
    url.includes('cursor=n%26') ? json(200, { data: [{ id: 'c' }], next_cursor: null })
      : json(200, { data: [{ id: 'a' }, { id: 'b' }], next_cursor: 'n&' }),
  );
  assert.deepEqual((await orgate.user.getOrganizations()).map(({ id }) => id), ['a', 'b', 'c']);
  assert.equal(asked.length, 2);
  holds('every page of the organizations');
}
{
  // A read that was asked before the switch and is answered after it says nothing any more.
  let answerOld;
  const { orgate } = client((_, { method }, number) => {
    if (method === 'PUT') return json(200, session('globex'));
    return number === 1 ? new Promise((go) => { answerOld = () => go(json(200, session('acme'))); }) : json(200, session('globex'));
  });
  const seen = [];
  orgate.store.subscribe(() => seen.push(orgate.store.getSnapshot()?.activeOrganizationId));
  const reading = orgate.session();
  assert.equal((await orgate.setActiveOrganization('globex')).activeOrganizationId, 'globex');
  answerOld();
  assert.equal((await reading).activeOrganizationId, 'globex');
  assert.deepEqual(seen, ['globex']);
  holds('an answer that is too late');
}
{
  const order = [];
  const { orgate } = client(async (_, { body }) => {
    const { org_id: org } = JSON.parse(body);
    if (org === 'a') await new Promise((go) => setTimeout(go, 20));
    order.push(org);
    return json(200, session(org));
  });
  await Promise.all(['a', 'b', null].map((org) => orgate.setActiveOrganization(org)));
  assert.deepEqual(order, ['a', 'b', null]);
  assert.equal(orgate.store.getSnapshot().activeOrganizationId, null);
  holds('the last switch wins');
}
{
  let number = 0;
  let refuse = false;
  const { asked, orgate } = client((url, init) => {
    if (url.includes('/session/token')) return json(200, { access_token: `t${(number += 1)}`, expires_in: 300 });
    if (url.includes('active-organization')) return json(200, session('globex'));
    return json(refuse && init.headers.get('authorization') === 'Bearer t1' ? 401 : 200, {});
  }, { apis: ['https://api.example.com'] });
  const tokens = () => asked.filter(({ line }) => line.includes('/session/token')).length;
  const all = await Promise.all(Array.from({ length: 50 }, () => orgate.token()));
  assert.deepEqual([new Set(all).size, tokens()], [1, 1]);
  refuse = true;
  const calls = await Promise.all(Array.from({ length: 20 }, () => orgate.fetch('https://api.example.com/docs')));
  assert.ok(calls.every(({ status }) => status === 200));
  assert.equal(tokens(), 2, 'twenty refusals of one token fetch one other token');
  const [acme, globex] = await Promise.all([orgate.token({ org: 'acme' }), orgate.token({ org: 'a&b' })]);
  assert.notEqual(acme, globex);
  assert.ok(asked.at(-1).line.endsWith('?org_id=a%26b'), asked.at(-1).line);
  await orgate.setActiveOrganization('globex');
  await orgate.token();
  assert.equal(tokens(), 5, 'another organization, another token');
  await refused(orgate.fetch('https://evil.example/docs'), 'foreign_origin');
  holds('tokens are renewed once for many callers');
}
{
  const { asked, orgate } = client(() => json(201, { slug: 'customer-corp' }), { key: 'sk_1' });
  await orgate.admin.organizations.create({ name: 'Customer Corp', created_by: 'usr_b' }, { idempotencyKey: 'k1' });
  const [{ line, headers, credentials, body }] = asked;
  assert.equal(line, 'POST https://id.example.com/api/platform/projects/proj_demo/orgs');
  assert.deepEqual([headers.authorization, headers['idempotency-key'], credentials], ['Bearer sk_1', 'k1', 'omit']);
  assert.deepEqual(JSON.parse(body), { name: 'Customer Corp', created_by: 'usr_b' });
  holds('organizations for others');
}
