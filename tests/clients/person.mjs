// A person at a browser: keeps cookies, follows redirects, fills in the forms of the hosted pages.

/** What the test says about the installation. */
export const installation = {
  issuer: need('ISSUER'),
  clientId: need('CLIENT_ID'),
  clientSecret: need('CLIENT_SECRET'),
  publicClientId: need('PUBLIC_CLIENT_ID'),
  machineId: need('MACHINE_ID'),
  machineSecret: need('MACHINE_SECRET'),
  callback: need('CALLBACK'),
  afterLogout: need('AFTER_LOGOUT'),
  audience: 'demo-api',
};

function need(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

/** Runs one step and says that it held; the test wants all of a client's steps. */
export async function step(name, run) {
  const value = await run();
  console.log(`held: ${name}`);
  return value;
}

export class Person {
  #cookies = new Map();

  constructor({ email = 'dana@example.com', password = 'correct horse battery', organization = 'org_acme' } = {}) {
    Object.assign(this, { email, password, organization });
  }

  /** Goes from `url` over pages and redirects until one leads to `target`; gives that address and the pages seen. */
  async goes(url, target) {
    const pages = [];
    let response = await this.#send(url);
    for (let turn = 0; turn < 20; turn += 1) {
      const location = response.headers.get('location');
      if (location) {
        url = new URL(location, url).href;
        if (url.startsWith(target)) return { url, pages };
        response = await this.#send(url);
        continue;
      }
      const page = await response.text();
      if (response.status !== 200) throw new Error(`${response.status} at ${url}: ${page}`);
      pages.push(new URL(url).pathname);
      const { action, fields } = this.#filled(page, url);
      url = action;
      response = await this.#send(url, fields);
    }
    throw new Error(`no way to ${target}, last at ${url}`);
  }

  async #send(url, form) {
    const headers = { 'sec-fetch-site': 'same-origin', accept: 'text/html' };
    if (this.#cookies.size) headers.cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(url, {
      method: form ? 'POST' : 'GET',
      headers,
      body: form && new URLSearchParams(form),
      redirect: 'manual',
    });
    for (const line of response.headers.getSetCookie()) {
      const [pair] = line.split(';');
      const at = pair.indexOf('=');
      const [name, value] = [pair.slice(0, at), pair.slice(at + 1)];
      if (value) this.#cookies.set(name, value);
      else this.#cookies.delete(name);
    }
    return response;
  }

  #filled(page, base) {
    const form = page.match(/<form[^>]*method="post"[^>]*>[^]*?<\/form>/i)?.[0];
    if (!form) throw new Error(`no form at ${base}: ${page}`);
    const fields = new Map();
    for (const [tag] of form.matchAll(/<(?:input|button)[^>]*>/g)) {
      const name = attribute(tag, 'name');
      if (name && !fields.has(name)) fields.set(name, attribute(tag, 'value') ?? '');
    }
    const answers = { email: this.email, password: this.password, org_id: this.organization };
    for (const [name, answer] of Object.entries(answers)) if (fields.has(name)) fields.set(name, answer);
    return { action: new URL(attribute(form, 'action') ?? base, base).href, fields: [...fields] };
  }
}

function attribute(tag, name) {
  const value = tag.match(new RegExp(`\\s${name}="([^"]*)"`))?.[1];
  return value
    ?.replaceAll('&#x2f;', '/').replaceAll('&quot;', '"').replaceAll('&#x27;', "'")
    .replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
}
