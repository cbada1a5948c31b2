(() => {
  const main = document.querySelector('main');
  const form = document.querySelector('form');
  const failed = document.getElementById('failed');
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
      const credential = await navigator.credentials.get({ publicKey: options });
      const { clientDataJSON, authenticatorData, signature, userHandle } = credential.response;
      form.elements.credential.value = JSON.stringify({
        id: credential.id,
        rawId: text(credential.rawId),
        type: credential.type,
        response: {
          clientDataJSON: text(clientDataJSON),
          authenticatorData: text(authenticatorData),
          signature: text(signature),
          userHandle: userHandle ? text(userHandle) : null,
        },
      });
      form.submit();
    } catch {
      failed.hidden = false;
    }
  });
})();
