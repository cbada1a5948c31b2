const byId = id => document.getElementById(id);
const [text, role, open, count] = ['filter', 'role', 'open', 'count'].map(byId);
const rows = [...document.querySelectorAll('tbody tr')];
const cellOf = (row, name) => [...row.querySelectorAll('td.cell')].find(cell => cell.dataset.role === name);

// What is chosen stands in the address, so that a view can be sent to somebody.
function restore() {
  const chosen = new URLSearchParams(location.hash.slice(1));
  text.value = chosen.get('filter') || '';
  role.value = [...role.options].some(option => option.value === chosen.get('role')) ? chosen.get('role') : '';
  open.checked = chosen.has('open');
  apply();
}
function remember() {
  const chosen = new URLSearchParams();
  if (text.value) chosen.set('filter', text.value);
  if (role.value) chosen.set('role', role.value);
  if (open.checked) chosen.set('open', '1');
  const hash = chosen.toString();
  history.replaceState(null, '', hash ? '#' + hash : location.pathname + location.search);
  apply();
}
function apply() {
  const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const row of rows) {
    const all = row.dataset.text.toLowerCase();
    const fits = words.every(word => all.includes(word));
    const lets = !role.value || cellOf(row, role.value).dataset.cell !== 'no';
    row.hidden = !fits || !lets || open.checked && !row.querySelector('.open');
    shown += row.hidden ? 0 : 1;
  }
  count.textContent = shown === rows.length ? rows.length + ' rules' : shown + ' of ' + rows.length + ' rules';
}
// What is shown, as RFC 4180; what a spreadsheet would take for a formula is made a text.
function csv() {
  const field = value => {
    const plain = /^[=+\-@]/.test(value) ? "'" + value : value;
    return /[",\r\n]/.test(plain) ? '"' + plain.replaceAll('"', '""') + '"' : plain;
  };
  const roles = [...document.querySelectorAll('thead th.cell')].map(head => head.textContent);
  const lines = [['rule', 'requirement', ...roles, 'place']];
  for (const row of rows.filter(row => !row.hidden)) {
    const words = [...row.querySelectorAll('td.cell')].map(cell => cell.dataset.cell);
    lines.push([row.querySelector('th').textContent, row.querySelector('.requires').textContent, ...words, row.querySelector('.place').textContent]);
  }
  return lines.map(line => line.map(field).join(',')).join('\r\n') + '\r\n';
}
function save() {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([csv()], { type: 'text/csv' }));
  link.download = 'access.csv';
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
text.addEventListener('input', remember);
role.addEventListener('change', remember);
open.addEventListener('change', remember);
byId('csv').addEventListener('click', save);
addEventListener('hashchange', restore);
addEventListener('keydown', event => {
  if (event.key === '/' && document.activeElement !== text) {
    event.preventDefault();
    text.focus();
    text.select();
  } else if (event.key === 'Escape' && document.activeElement === text) {
    text.value = '';
    remember();
  }
});
document.querySelector('.tools').hidden = false;
restore();
