// Sessions, organizations and tokens of an orgate issuer, for pages, browser extensions and Node.js. No dependency; React is
// passed in by whoever wants the hooks. The types stand in orgate-client.d.ts.

/** A refusal (`code` is the issuer's), or `network`: nobody answered. */
export class OrgateError extends Error {
  constructor(code, message, details) {
    super(message || code);
    this.name = 'OrgateError';
    this.code = code;
    Object.assign(this, details);
  }
}

// A token is renewed this long before it ends, so that none ends on its way.
const EARLY = 20_000;

export function createClient(options) {
  const { react, key, prefix = '/v1/auth', fetch: send = (...all) => fetch(...all) } = options;
  const issuer = String(options.issuer || `${options.baseUrl}/p/${options.project}`).replace(/\/+$/, '');
  const [, base, project] = /^(https?:\/\/.+)\/p\/([^/]+)$/.exec(issuer) || [];
  if (!project) throw new OrgateError('bad_issuer', `${issuer} is no issuer: https://id.example.com/p/proj_demo`);
  const own = issuer + prefix;
  const page = typeof document === 'object';

  // ── Asking ────────────────────────────────────────────────────────────────────────────────────────────────────────────────
  async function ask(method, url, body, headers) {
    let response;
    try {
      response = await send(url, {
        method,
        // Where a key is given nobody's cookie may decide.
        credentials: key ? 'omit' : 'include',
        cache: 'no-store',
        redirect: 'error',
        headers: {
          accept: 'application/json',
          ...(body && { 'content-type': 'application/json' }),
          ...(key && { authorization: `Bearer ${key}` }),
          ...headers,
        },
        body: body && JSON.stringify(body),
      });
    } catch (cause) {
      throw new OrgateError('network', 'the issuer cannot be reached', { cause });
    }
    const { status } = response;
    if (status === 304) return { response };
    const answer = status === 204 ? null : await response.json().catch(() => null);
    if (response.ok) return { response, answer };
    const { code, detail, title, field, request_id: requestId } = answer || {};
    const retryAfter = Number(response.headers.get('retry-after')) || undefined;
    throw new OrgateError(code || `http_${status}`, detail || title, { status, field, requestId, retryAfter });
  }

  // ── The session, as an external store ─────────────────────────────────────────────────────────────────────────────────────
  // `undefined` until it was read once, `null` while nobody is signed in.
  let session;
  let etag;
  let reading;
  // Grows with every change: what was asked before one and answered after it is not believed.
  let epoch = 0;
  const listeners = new Set();
  const tokens = new Map();

  function keep(next, tag) {
    etag = tag;
    // Whoever renders compares by identity.
    if (JSON.stringify(next) === JSON.stringify(session)) return session;
    // A token is of one session, and those without a named organization of what was active.
    const [was, is] = [session, next].map((one) => one && `${one.id} ${one.activeOrganizationId}`);
    if (was !== is) tokens.clear();
    if (next?.organization && JSON.stringify(next.organization) === JSON.stringify(session?.organization)) {
      next.organization = session.organization;
    }
    session = next;
    for (const listener of [...listeners]) listener();
    return session;
  }

  async function read() {
    const started = epoch;
    const conditional = session && etag && { 'if-none-match': etag };
    const { answer, response } = await ask('GET', `${own}/session`, undefined, conditional).catch((error) => {
      if (error.status === 401) return { answer: null };
      throw error;
    });
    if (started !== epoch) return read();
    return response?.status === 304 ? session : keep(answer, response?.headers.get('etag'));
  }

  /** Reads the session; many callers at once cause one request. */
  function refresh() {
    reading ||= read().finally(() => {
      reading = undefined;
    });
    return reading;
  }

  const channel = page && typeof BroadcastChannel === 'function' ? new BroadcastChannel(`orgate ${issuer}`) : undefined;
  const quietly = () => listeners.size && refresh().catch(() => {});
  const changed = () => {
    epoch += 1;
    tokens.clear();
  };
  channel?.addEventListener('message', ({ data }) => {
    if (data?.token && isOurs(data)) tokens.set(data.org, data.token);
    // What another tab says is no proof of anything: the issuer is asked.
    if (data === 'changed') {
      changed();
      quietly();
    }
  });
  if (page) {
    // What was switched elsewhere is seen with the next interaction.
    addEventListener('focus', quietly);
    document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && quietly());
  }

  function subscribe(listener) {
    listeners.add(listener);
    if (session === undefined) quietly();
    return () => listeners.delete(listener);
  }

  // Changes go one after the other, so that the last one that was asked for is the last one made.
  let last = Promise.resolve();
  function change(work) {
    const done = last.then(async () => {
      changed();
      try {
        return await work();
      } finally {
        changed();
        channel?.postMessage('changed');
      }
    });
    last = done.catch(() => {});
    return done;
  }

  // ── Tokens ────────────────────────────────────────────────────────────────────────────────────────────────────────────────
  const under = new Map();
  const good = (org, stale) => {
    const token = tokens.get(org);
    return token && token.text !== stale && token.until > Date.now() ? token.text : undefined;
  };

  // Whether a token of another tab is of the session that this one knows, and of the organization that is active in it.
  function isOurs({ org, token }) {
    try {
      const claims = JSON.parse(atob(token.text.split('.')[1].replace(/-/g, '+').replace(/_/g, '/')));
      const active = org !== undefined || (claims.org_id ?? null) === session.activeOrganizationId;
      return claims.sid === session.id && active;
    } catch {
      return false;
    }
  }

  async function renew(org, stale) {
    // Another tab may have done it while this one waited for the lock.
    const known = good(org, stale);
    if (known) return known;
    const started = epoch;
    const query = org === undefined ? '' : `?org_id=${encodeURIComponent(org ?? '')}`;
    const { answer } = await ask('GET', `${issuer}/session/token${query}`);
    if (started !== epoch) return renew(org, stale);
    const token = { text: answer.access_token, until: Date.now() + answer.expires_in * 1000 - EARLY };
    tokens.set(org, token);
    channel?.postMessage({ org, token });
    return token.text;
  }

  function token({ org, stale } = {}) {
    const known = good(org, stale);
    if (known) return Promise.resolve(known);
    let running = under.get(org);
    if (!running) {
      const locks = channel && globalThis.navigator?.locks;
      running = new Promise((resolve, reject) => {
        const work = () => renew(org, stale).then(resolve, reject);
        if (!locks) return work();
        // It is kept a moment longer, so that the next tab hears of the token before it has the lock.
        const heard = () => new Promise((go) => setTimeout(go, 50));
        locks.request(`orgate ${issuer} ${org}`, () => work().then(heard)).catch(reject);
      }).finally(() => under.delete(org));
      under.set(org, running);
    }
    return running;
  }

  async function call(input, init = {}, { org } = {}) {
    // A token that went to a foreign server would be its own from then on.
    const here = page ? location.origin : undefined;
    const origin = new URL(input, here).origin;
    if (![here, ...(options.apis || [])].includes(origin)) {
      throw new OrgateError('foreign_origin', `tokens are not sent to ${origin}; name it in \`apis\``);
    }
    const once = (text) => {
      const headers = new Headers(init.headers);
      headers.set('authorization', `Bearer ${text}`);
      return send(input, { ...init, headers });
    };
    const text = await token({ org });
    const response = await once(text);
    const replay = typeof init.body !== 'object' || init.body === null;
    return response.status === 401 && replay ? once(await token({ org, stale: text })) : response;
  }

  // ── What applications call ────────────────────────────────────────────────────────────────────────────────────────────────
  async function getOrganizations() {
    const all = [];
    let cursor;
    do {
      const query = cursor ? `&cursor=${encodeURIComponent(cursor)}` : '';
      const { answer } = await ask('GET', `${own}/me/organizations?limit=100${query}`);
      all.push(...answer.data);
      cursor = answer.next_cursor;
    } while (cursor);
    return all;
  }

  const setActiveOrganization = (id) =>
    change(async () => {
      const { answer } = await ask('PUT', `${own}/session/active-organization`, { org_id: id ?? null });
      return keep(answer);
    });

  const once = (idempotencyKey) => idempotencyKey && { 'idempotency-key': idempotencyKey };
  const create = (input, { idempotencyKey } = {}) =>
    change(async () => (await ask('POST', `${own}/organizations`, input, once(idempotencyKey))).answer);

  const createFor = async (input, { idempotencyKey } = {}) =>
    (await ask('POST', `${base}/api/platform/projects/${project}/orgs`, input, once(idempotencyKey))).answer;

  const signOut = () =>
    change(async () => {
      await ask('POST', `${own}/logout`).catch((error) => {
        if (error.status !== 401) throw error;
      });
      keep(null);
    });

  function useStore(snapshot) {
    if (!react) throw new OrgateError('no_react', 'pass React: createClient({ …, react: React })');
    return react.useSyncExternalStore(subscribe, snapshot, () => undefined);
  }

  const organization = () => session && session.organization;
  return {
    issuer,
    session: refresh,
    user: { getOrganizations },
    setActiveOrganization,
    organizations: { create },
    admin: { organizations: { create: createFor } },
    signOut,
    token,
    fetch: call,
    signInUrl: (to = page ? location.href : '/') => `${issuer}/enter?return_to=${encodeURIComponent(to)}`,
    store: { subscribe, getSnapshot: () => session },
    useSession: () => useStore(() => session),
    useActiveOrganization: () => useStore(organization),
    close() {
      channel?.close();
      listeners.clear();
      if (page) removeEventListener('focus', quietly);
    },
  };
}
