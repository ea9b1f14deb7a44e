'use strict';
// For web views of years ago too: no syntax newer than ES2017.
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  const nonce = document.currentScript.nonce;
  const by = (id) => document.getElementById(id);
  const CALL_LIMIT = 5000;
  const SCRIPT_LIMIT = 10000;
  const LOGIN_LIMIT = 20000;
  const MOST_ATTEMPTS = 3;
  const MINUTE = 60000;

  /** What is told: an entry of the catalogue, or problem details of the server. */
  class Failure extends Error {
    constructor(problem, extra) {
      super(problem.code);
      this.problem = problem;
      this.extra = extra || '';
    }
  }
  const failure = (code, extra) => new Failure(Object.assign({ code }, data.texts[code]), extra);

  function show(problem, extra, label) {
    by('title').textContent = problem.title;
    by('action').textContent = problem.detail;
    const who = data.who[problem.who];
    by('who').textContent = who || '';
    by('who').hidden = !who;
    by('reference').textContent = [problem.id, problem.code, extra].filter(Boolean).join(' · ');
    by('reference').hidden = false;
    by('busy').hidden = true;
    by('again').textContent = label;
    by('again').hidden = false;
    document.title = problem.title;
  }

  function showBusy() {
    by('title').textContent = data.busy.title;
    by('action').textContent = data.busy.detail;
    by('who').hidden = true;
    by('reference').hidden = true;
    by('again').hidden = true;
    by('busy').hidden = false;
    document.title = data.busy.title;
  }

  let remembered = null;

  function wasReloaded() {
    const entries = performance.getEntriesByType && performance.getEntriesByType('navigation');
    return entries && entries[0] ? entries[0].type === 'reload' : !!performance.navigation && performance.navigation.type === 1;
  }

  /** What this tab's storage has kept; nothing where it keeps nothing. Storage that is full can be read all the same. */
  function stored() {
    try {
      const kept = sessionStorage.getItem(data.attempts) || '[]';
      sessionStorage.setItem(data.attempts, kept);
      return JSON.parse(kept);
    } catch (error) {
      return null;
    }
  }

  /** Times of the attempts of the last minute. They outlive a reload, so that one that changes nothing is not repeated for ever. */
  function attempts() {
    let kept = remembered || stored();
    // Without storage nothing tells a first load from the one after a login, but its being a reload.
    if (!kept) kept = wasReloaded() ? new Array(MOST_ATTEMPTS).fill(Date.now()) : [];
    const now = Date.now();
    return Array.isArray(kept) ? kept.filter((at) => at <= now && now - at < MINUTE) : [];
  }

  function countAttempt() {
    remembered = attempts().concat(Date.now());
    try {
      sessionStorage.setItem(data.attempts, JSON.stringify(remembered));
    } catch (error) { /* remembered for this page only */ }
  }

  const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

  /** Rejects with `late` when `work` takes longer than `ms`. */
  function within(ms, work, late) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(late), ms);
      work.then((value) => { clearTimeout(timer); resolve(value); }, (error) => { clearTimeout(timer); reject(error); });
    });
  }

  let script = null;

  function loadJsapi() {
    script = script || new Promise((resolve, reject) => {
      const element = document.createElement('script');
      element.src = data.jsapi_script;
      element.nonce = nonce;
      element.onload = () => (window.dd ? resolve(window.dd) : reject(failure('browser.script_unavailable')));
      element.onerror = () => reject(failure('browser.script_unavailable'));
      document.head.appendChild(element);
    });
    return within(SCRIPT_LIMIT, script, failure('browser.script_unavailable')).catch((error) => {
      script = null;
      throw error;
    });
  }

  const SILENT = {};

  /** The code of one of DingTalk's two calls. */
  function ask(call, parameters) {
    const answer = new Promise((resolve, reject) => {
      Promise.resolve(call(parameters)).then(resolve, reject);
    });
    return within(CALL_LIMIT, answer, SILENT).then((answer) => {
      const code = answer && (answer.code || answer.authCode);
      if (typeof code !== 'string' || !code) throw { errorCode: 'none' };
      return code;
    });
  }

  const CANCELLED = ['-1', 'PC_1011'];
  const NOT_FOUND = ['3', '7', 'PC_1005', 'PC_1007', 'PC_1009'];
  const UNKNOWN_CALL = ['1'];

  /** iOS gives its error codes as texts. */
  const errorCode = (error) => (error && error.errorCode !== undefined ? String(error.errorCode).slice(0, 20) : '');
  const isCancelled = (error) => CANCELLED.includes(errorCode(error));

  function failureOf(error) {
    const code = errorCode(error);
    if (error === SILENT) return failure('client.no_answer');
    if (/\b4040\b/.test(error && error.message)) return failure('browser.not_in_dingtalk');
    if (isCancelled(error)) return failure('client.cancelled');
    if (NOT_FOUND.includes(code)) return failure('client.app_not_found', code);
    if (UNKNOWN_CALL.includes(code)) return failure('client.too_old');
    return failure('client.failed', code.replace(/[^\w-]/g, ''));
  }

  async function askCode(dd) {
    if (!dd.env || dd.env.platform === 'notInDingTalk') throw failure('browser.not_in_dingtalk');
    const classic = dd.runtime && dd.runtime.permission && dd.runtime.permission.requestAuthCode;
    try {
      if (!dd.requestAuthCode) throw { errorCode: 1 };
      return await ask(dd.requestAuthCode, { corpId: data.corp_id, clientId: data.client_id });
    } catch (error) {
      // Clients before 7.0.45 know only the classic call; how they refuse the newer one is theirs.
      if (!classic || isCancelled(error)) throw failureOf(error);
    }
    try {
      return await ask(classic, { corpId: data.corp_id });
    } catch (error) {
      throw failureOf(error);
    }
  }

  async function send(method, path, headers) {
    const stop = window.AbortController ? new AbortController() : null;
    const init = { method, headers, credentials: 'same-origin', cache: 'no-store' };
    if (stop) init.signal = stop.signal;
    const late = failure('browser.network');
    let answer;
    try {
      answer = await within(LOGIN_LIMIT, fetch(path, init), late);
    } catch (error) {
      if (stop) stop.abort();
      throw late;
    }
    let body = null;
    try {
      body = await within(LOGIN_LIMIT, answer.json(), late);
    } catch (error) { /* not an answer of ours */ }
    const isOurs = body && (answer.ok ? body.user : typeof body.code === 'string' && typeof body.title === 'string');
    if (!isOurs) throw failure('setup.login_unreachable', String(answer.status));
    return { answer, body };
  }

  const headers = () => ({ 'X-DingTalk-Corp-Id': data.corp_id });

  /** One exchange: who came in, or a failure; `after` says in how many milliseconds another may work. */
  async function exchange(code) {
    const { answer, body } = await send('POST', data.login, Object.assign({ 'X-DingTalk-Auth-Code': code }, headers()));
    if (answer.ok) return body.user;
    const problem = new Failure(body);
    if (answer.status === 401 && body.code.startsWith('login.code_')) problem.after = 0;
    if (answer.status === 503) problem.after = Math.min(Math.max(Number(answer.headers.get('Retry-After')) || 1, 1), 10) * 1000;
    throw problem;
  }

  async function confirmCookie(user) {
    // The login of another tab ends this one's session and leaves its own: that one is there the second time.
    for (let time = 0; time < 2; time += 1) {
      const { answer, body } = await send('GET', data.me, headers());
      if (answer.ok && body.user.user_id === user.user_id) return;
      if (!answer.ok && answer.status !== 401) throw new Failure(body);
    }
    throw failure('browser.cookies_blocked');
  }

  async function attempt(isByHand) {
    let last = failure('browser.too_many_attempts');
    for (let first = isByHand; first || attempts().length < MOST_ATTEMPTS; first = false) {
      const code = await askCode(await loadJsapi());
      countAttempt();
      let user;
      try {
        user = await exchange(code);
      } catch (error) {
        last = error;
        if (error.after === undefined) break;
        if (error.after) await wait(error.after);
        continue;
      }
      await confirmCookie(user);
      return;
    }
    throw last;
  }

  let isRunning = false;

  async function signIn(isByHand) {
    if (isRunning) return;
    isRunning = true;
    showBusy();
    try {
      await attempt(isByHand);
      if (data.target) location.replace(data.target);
      else location.reload();
    } catch (error) {
      const told = error instanceof Failure ? error : failure('client.failed');
      show(told.problem, told.extra, data.again);
      isRunning = false;
    }
  }

  function start() {
    by('again').addEventListener('click', () => signIn(true));
    if (data.signed_out) show(data.signed_out, '', data.sign_in);
    else signIn(false);
  }

  if (document.prerendering) document.addEventListener('prerenderingchange', start, { once: true });
  else start();
})();
