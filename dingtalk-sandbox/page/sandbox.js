"use strict";
(() => {
  const by = (id) => document.getElementById(id);
  const KEPT = 200;
  let world = { apps: [], people: [] };
  let tag = null;
  let newest = null;
  let clockOffset = 0;
  let frozenAt = null;

  async function ask(method, path, body) {
    const init = { method, headers: {} };
    if (method !== "GET") init.headers["content-type"] = "application/json";
    if (body !== undefined) init.body = JSON.stringify(body);
    const answer = await fetch(path, init);
    const json = await answer.json();
    if (!answer.ok) throw new Error(json.error || json.message || answer.statusText);
    return json;
  }

  const make = (name, className, text) => {
    const element = document.createElement(name);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  };

  let toastTimer;
  function say(text) {
    by("toast").textContent = text;
    by("toast").hidden = false;
    clearTimeout(toastTimer);
    toastTimer = setTimeout(() => { by("toast").hidden = true; }, 4000);
  }

  async function copy(text, what) {
    try {
      await navigator.clipboard.writeText(text);
      say(what ? `${what} copied 已复制` : "Copied 已复制");
    } catch {
      say(what ? `${what}: ${text}` : text);
    }
  }

  const clockText = (ms) => {
    const date = new Date(ms);
    const two = (n) => String(n).padStart(2, "0");
    return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  };

  const lastParts = (route) => route.split(" ").pop().split("/").filter(Boolean).slice(-2).join("/");

  function kindOf(outcome) {
    if (outcome === "ok") return "ok";
    if (outcome === "pending") return "pending";
    if (outcome.startsWith("fault:")) return "fault";
    return "refused";
  }

  function callRow(call) {
    const row = make("li", "call");
    if (newest !== null && call.number > newest) row.classList.add("new");
    const time = make("time", "", clockText(call.at_ms));
    time.dateTime = new Date(call.at_ms).toISOString();
    const [method, path] = call.route.split(" ");
    const what = make("span", "what");
    what.append(make("b", "", method), path || "");
    const app = world.apps.find((one) => one.app_key === call.app_key);
    const about = [];
    if (call.app_key) about.push(app && app.name ? `${app.name} · ${call.app_key}` : call.app_key);
    else about.push("no known app");
    if (call.detail) about.push(call.detail);
    const extra = call.faults.filter((kind) => !call.outcome.endsWith(`:${kind}`));
    if (extra.length) about.push(`with ${extra.join(", ")}`);
    const took = call.took_ms === null ? "…" : call.took_ms < 1 ? "<1 ms" : `${call.took_ms} ms`;
    row.append(time, make("span", `badge ${kindOf(call.outcome)}`, call.outcome), what, make("span", "took", took));
    row.append(make("span", "who", about.join(" · ")));
    return row;
  }

  function showCalls(answer) {
    const rows = answer.calls.map(callRow).reverse();
    by("call-list").replaceChildren(...rows);
    by("no-calls").hidden = rows.length > 0;
    const last = answer.calls[answer.calls.length - 1];
    newest = Math.max(newest || 0, last ? last.number : 0);
    const counts = Object.entries(answer.counts).sort((a, b) => b[1] - a[1]).slice(0, 4);
    const names = counts.map(([route, count]) => `${count} × ${lastParts(route)}`);
    by("counts").textContent = answer.total ? `${answer.total} in all: ${names.join(", ")}` : "";
  }

  async function refreshCalls() {
    const live = document.querySelector(".live");
    try {
      const answer = await fetch(`/sandbox/calls?last=${KEPT}`, { headers: tag ? { "if-none-match": tag } : {}, cache: "no-store" });
      live.className = "live on";
      if (by("live-text").textContent !== "live") by("live-text").textContent = "live";
      if (answer.status === 200) {
        tag = answer.headers.get("etag");
        showCalls(await answer.json());
      }
    } catch {
      live.className = "live off";
      if (by("live-text").textContent !== "sandbox stopped") by("live-text").textContent = "sandbox stopped";
    }
  }

  function showFaults({ faults }) {
    by("no-faults").hidden = faults.length > 0;
    by("faults").replaceChildren(...faults.map((fault) => {
      const { kind, route, times, when, ...rest } = fault;
      const item = make("li");
      const more = Object.values(rest).map((value) => (typeof value === "string" ? value : JSON.stringify(value)));
      const where = route === "*" ? "every call" : lastParts(route);
      const often = times ? `, ${times} more` : "";
      item.append(make("span", "badge fault", kind), make("span", "", `${more.join(" ")} ${when} ${where}${often}`.trim()));
      return item;
    }));
  }

  function showClock(clock) {
    clockOffset = clock.now_ms - Date.now();
    frozenAt = clock.manual ? clock.now_ms : null;
    by("clock-kind").textContent = clock.manual ? "stands still" : "runs";
    tick();
  }

  function tick() {
    const now = frozenAt === null ? Date.now() + clockOffset : frozenAt;
    by("now").textContent = clockText(now);
    by("now").dateTime = new Date(now).toISOString();
  }

  async function refreshTools() {
    try {
      showFaults(await ask("GET", "/sandbox/faults"));
      showClock(await ask("GET", "/sandbox/clock"));
    } catch { /* the list of calls says that the sandbox stopped */ }
  }

  function showCode(code, app, user) {
    by("code").textContent = code;
    by("code-out").hidden = false;
    by("copy-code").dataset.copy = code;
    by("code-hint").textContent = `For ${user} in ${app}. It works once.`;
  }

  async function mint(app, user) {
    const { code } = await ask("POST", "/sandbox/codes", { flow: "silent", app, user_id: user });
    showCode(code, app, user);
    await copy(code, "Code");
  }

  /** What an app does at a silent login, done by this page. */
  async function tryLogin() {
    const app = world.apps[0];
    const person = app && world.people.find((one) => one.corp_id === app.corp_id);
    if (!person) return say("This world has no app with people");
    const token = await ask("POST", "/v1.0/oauth2/accessToken", { appKey: app.app_key, appSecret: app.app_secret });
    const query = `?access_token=${encodeURIComponent(token.accessToken || "")}`;
    const { code } = await ask("POST", "/sandbox/codes", { app: app.app_key, user_id: person.user_id });
    const who = await ask("POST", `/topapi/v2/user/getuserinfo${query}`, { code });
    if (who.errcode !== 0) return say(who.errmsg);
    const details = await ask("POST", `/topapi/v2/user/get${query}`, { userid: who.result.userid });
    say(details.errcode === 0 ? `${details.result.name} signed in 已登录` : details.errmsg);
  }

  async function pressed(button) {
    const { copy: text, advance, fault, mintApp, mintUser, revoke } = button.dataset;
    if (text !== undefined) return copy(text, "");
    if (advance) showClock(await ask("POST", "/sandbox/clock/advance", { seconds: Number(advance) }));
    if (fault) showFaults(await ask("POST", "/sandbox/faults", JSON.parse(fault)));
    if (mintApp) await mint(mintApp, mintUser);
    if (revoke) {
      const { revoked } = await ask("POST", "/sandbox/tokens/revoke", { app: revoke });
      say(`${revoked} ${revoked === 1 ? "token" : "tokens"} revoked`);
    }
    if (button.id === "reset-calls") await ask("POST", "/sandbox/calls/reset", {});
    if (button.id === "clear-faults") { await ask("DELETE", "/sandbox/faults"); await refreshTools(); }
    if (button.id === "try-login") await tryLogin();
    await refreshCalls();
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) pressed(button).catch((error) => say(error.message));
  });

  (async () => {
    try { world = await ask("GET", "/sandbox/world"); } catch { /* names are missing, keys stay */ }
    await Promise.all([refreshCalls(), refreshTools()]);
    setInterval(refreshCalls, 1000);
    setInterval(refreshTools, 3000);
    setInterval(tick, 1000);
  })();
})();
