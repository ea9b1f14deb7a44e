'use strict';
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  const nonce = document.currentScript.nonce;
  const by = (id) => document.getElementById(id);
  let isDone = false;

  // DingTalk's script is content with an origin that has its host's name anywhere in it. This listener is there before it.
  window.addEventListener('message', (event) => {
    if (event.origin !== data.sign_in_origin) event.stopImmediatePropagation();
  }, true);

  function show(problem, extra) {
    by('title').textContent = problem.title;
    by('action').textContent = problem.detail;
    const who = data.who[problem.who];
    by('who').textContent = who || '';
    by('who').hidden = !who;
    by('reference').textContent = [problem.code, extra].filter(Boolean).join(' · ');
    by('reference').hidden = false;
    by('again').hidden = false;
    // What the frame still says is not what became of it.
    by('frame').hidden = true;
    document.title = problem.title;
  }

  /** DingTalk's script has been seen to say so twice: the code is traded once. */
  function onSuccess(result) {
    if (isDone) return;
    if (!result || !result.authCode || result.state !== data.parameters.state) {
      show(data.declined);
      return;
    }
    isDone = true;
    const query = new URLSearchParams({ authCode: result.authCode, state: data.parameters.state });
    location.replace(`${data.callback}?${query}`);
  }

  /** What it gives can be a text, an object or nothing. */
  function onError(error) {
    if (!isDone) show(data.declined, typeof error === 'string' ? error.slice(0, 200) : '');
  }

  function showFrame() {
    // The script puts the values into an address as they are.
    const parameters = {};
    for (const [name, value] of Object.entries(data.parameters)) parameters[name] = encodeURIComponent(value);
    window.DTFrameLogin({ id: 'frame', width: 300, height: 300 }, parameters, onSuccess, onError);
    const frame = by('frame').querySelector('iframe');
    if (frame) frame.title = document.title;
  }

  const fail = () => show(data.unavailable);

  by('again').addEventListener('click', () => location.reload());
  const script = document.createElement('script');
  script.src = data.script;
  script.nonce = nonce;
  script.onload = () => (window.DTFrameLogin ? showFrame() : fail());
  script.onerror = fail;
  document.head.appendChild(script);

  // A state lasts some minutes; whoever looks at the page then gets a new one.
  const renew = () => { if (!isDone && !document.hidden) location.reload(); };
  setTimeout(() => {
    renew();
    document.addEventListener('visibilitychange', renew);
  }, data.renew_ms);
})();
