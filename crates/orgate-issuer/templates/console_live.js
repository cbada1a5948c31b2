(() => {
  const going = document.getElementById('going');
  const every = Number(going.dataset.every) * 1000;
  let timer = 0;
  let wait = every;
  const plan = () => {
    clearTimeout(timer);
    timer = document.hidden ? 0 : setTimeout(look, wait);
  };
  const look = async () => {
    try {
      const answer = await fetch(going.dataset.url, { cache: 'no-store', redirect: 'error' });
      if (answer.status >= 400 && answer.status < 500) return;
      const { shapes, texts } = await answer.json();
      for (const [id, shape] of Object.entries(shapes)) {
        const path = document.getElementById(id);
        if (path && path.getAttribute('d') !== shape) path.setAttribute('d', shape);
      }
      for (const [id, text] of Object.entries(texts)) {
        const element = document.getElementById(id);
        if (element && element.textContent !== text) element.textContent = text;
      }
      wait = every;
    } catch {
      wait = Math.min(wait * 2, 300000);
    }
    plan();
  };
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) plan();
    else look();
  });
  plan();
})();
