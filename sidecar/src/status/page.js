'use strict';
// Looks again every two seconds and puts in what it finds, as long as somebody may be looking.
const live = document.getElementById('live');
const box = live.querySelector('input');
const said = live.querySelector('output');
live.hidden = false;
let looks = 0;
async function look() {
  if (!box.checked || document.hidden) return;
  try {
    const answer = await fetch('/status', { cache: 'no-store' });
    if (!answer.ok) throw new Error(answer.status);
    const found = new DOMParser().parseFromString(await answer.text(), 'text/html');
    document.querySelector('main').replaceWith(found.querySelector('main'));
    document.title = found.title;
    said.textContent = '';
    document.documentElement.dataset.looks = ++looks;
  } catch {
    said.textContent = '(no answer)';
  }
}
setInterval(look, 2000);
box.addEventListener('change', look);
document.addEventListener('visibilitychange', look);
