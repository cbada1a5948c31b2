// What the popup shows: the organization that is active in the session of the web application, and its latest notes. It signs
// nobody in itself and keeps nothing: the session is the web application's, by its cookie, which no script ever sees.
import { createClient } from './orgate-client.js';
import { APP, ISSUER } from './settings.js';

const orgate = createClient({ issuer: ISSUER });
const at = (id) => document.getElementById(id);
let shown;

function show({ name, mark = '', role = '', message = '', wrong = false, go, writes = false, notes }) {
  at('name').textContent = name;
  at('mark').textContent = mark;
  at('role').textContent = role;
  at('message').textContent = message;
  at('message').className = wrong ? 'wrong' : '';
  at('message').hidden = !message;
  at('go').hidden = !go;
  at('go').textContent = go ? go.text : '';
  at('go').onclick = go ? () => open(go.url, '_blank', 'noopener') : null;
  at('form').hidden = !writes;
  at('notes').hidden = !notes?.length;
  at('notes').replaceChildren(...(notes ?? []).slice(0, 5).map((text) => Object.assign(document.createElement('li'), { textContent: text })));
}

// A call to the application's own interface: the path says which organization, the sidecar makes a token of the session's cookie.
async function call(organization, init) {
  const headers = { accept: 'application/json', ...init?.headers };
  const response = await fetch(`${APP}/orgs/${encodeURIComponent(organization.slug)}/notes`, { credentials: 'include', ...init, headers });
  if (response.ok) return response.json();
  throw Object.assign(new Error(), await response.json().catch(() => ({ code: `http_${response.status}` })));
}

async function render() {
  const session = orgate.store.getSnapshot();
  if (session === undefined) return show({ name: '…' });
  if (session === null) {
    return show({ name: 'Signed out', message: 'Sign in to the web application.', go: { text: 'Sign in', url: orgate.signInUrl(APP) } });
  }
  const { organization, role, permissions } = session;
  if (!organization) {
    const url = `${orgate.signInUrl(APP)}&choose=1`;
    return show({ name: 'No organization', message: 'Choose the one that you want to work in.', go: { text: 'Choose an organization', url } });
  }
  const known = { name: organization.name, mark: organization.name[0].toUpperCase(), role, writes: permissions.includes('write') };
  if (shown !== organization.id) show(known);
  shown = organization.id;
  try {
    const notes = await call(organization);
    // Another organization may have become the active one meanwhile.
    if (orgate.store.getSnapshot()?.organization?.id === organization.id) show({ ...known, notes, message: notes.length ? '' : 'No notes yet.' });
  } catch (error) {
    show({ ...known, message: `The notes cannot be read: ${error.code ?? 'network'}`, wrong: true });
  }
}

const refresh = () =>
  orgate.session().catch((error) => {
    if (orgate.store.getSnapshot() === undefined) show({ name: 'Not available', message: `The session cannot be read: ${error.code}`, wrong: true });
  });

at('form').addEventListener('submit', async (event) => {
  event.preventDefault();
  // For the organization that is shown, whatever was switched meanwhile: its name is what the person has read.
  const { organization } = orgate.store.getSnapshot();
  try {
    await call(organization, { method: 'POST', body: new URLSearchParams({ text: at('text').value }) });
    at('text').value = '';
  } catch (error) {
    at('message').hidden = false;
    at('message').className = 'wrong';
    at('message').textContent = `Not written: ${error.code ?? 'network'}`;
    return;
  }
  await refresh();
  await render();
});

orgate.store.subscribe(render);
// What was switched in the web application is seen with the next interaction, and a sign-out as well.
for (const what of ['pointerdown', 'keydown', 'focusin']) document.addEventListener(what, refresh);
render();
refresh();
