(() => {
  const main = document.querySelector('main');
  const form = document.querySelector('form');
  const failed = document.getElementById('failed');
  const create = 'create' in main.dataset;
  const bytes = text => Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), c => c.charCodeAt(0));
  const text = buffer => btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
  form.hidden = !window.PublicKeyCredential;
  failed.hidden = !form.hidden && !main.dataset.code;
  form.addEventListener('submit', async event => {
    event.preventDefault();
    failed.hidden = true;
    try {
      const options = JSON.parse(main.dataset.options);
      options.challenge = bytes(options.challenge);
      if (create) {
        options.user.id = bytes(options.user.id);
        for (const known of options.excludeCredentials) known.id = bytes(known.id);
      }
      const ceremony = create ? 'create' : 'get';
      const credential = await navigator.credentials[ceremony]({ publicKey: options });
      const response = {};
      for (const part of ['clientDataJSON', 'attestationObject', 'authenticatorData', 'signature', 'userHandle']) {
        if (credential.response[part]) response[part] = text(credential.response[part]);
      }
      form.elements.credential.value = JSON.stringify({
        id: credential.id,
        rawId: text(credential.rawId),
        type: credential.type,
        response,
      });
      form.submit();
    } catch {
      failed.hidden = false;
    }
  });
})();
