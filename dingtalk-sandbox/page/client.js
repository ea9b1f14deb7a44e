"use strict";
(() => {
  const by = (id) => document.getElementById(id);
  const stage = by("stage");
  const form = by("open");
  const frame = by("frame");
  const MARK = "dingtalk-sandbox";
  const KEPT = 50;
  const QUIET_MS = 4000;
  const METHODS = {
    "runtime.permission.requestAuthCode": "requestAuthCode",
    "runtime.permission.requestAuthCodeV2": "requestAuthCodeV2",
  };
  const given = new Map();

  const make = (name, className, text) => {
    const element = document.createElement(name);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  };

  function note(what, kind, outcome, details) {
    const row = make("li");
    const time = make("time", "", new Date().toTimeString().slice(0, 8));
    const line = make("p");
    line.append(make("span", `badge ${kind}`, outcome), ` ${details}`);
    row.append(make("b", "", what), time, line);
    by("asked").prepend(row);
    while (by("asked").children.length > KEPT) by("asked").lastChild.remove();
    by("not-asked").hidden = true;
  }

  /** The switches as they stand now. */
  const switches = () => {
    const { answer, slow, old, same } = form.elements;
    return { answer: answer.value, slowMs: Number(slow.value), isOld: old.checked, isSame: same.checked };
  };

  /** Whether this page framed or opened the window. */
  function isOurs(source) {
    try {
      return Boolean(source) && (source.parent === window || source.opener === window);
    } catch {
      return false;
    }
  }

  async function ask(body) {
    const answer = await fetch("/sandbox/client/codes", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    const json = await answer.json();
    if (!answer.ok) throw new Error(json.error || answer.statusText);
    return json;
  }

  const textOf = (value) => (typeof value === "string" ? value : null);
  const shown = (value) => (value === undefined ? "nothing" : typeof value === "string" && value ? value : JSON.stringify(value));

  /** What the client says to one call: a body, or undefined for silence. */
  async function answerTo(origin, method, args) {
    const { answer, slowMs, isOld, isSame } = switches();
    const call = Object.hasOwn(METHODS, method) ? METHODS[method] : undefined;
    if (!call) return undefined;
    const isV2 = call === "requestAuthCodeV2";
    const about = isV2 ? `corpId ${shown(args.corpId)} · clientId ${shown(args.clientId)}` : `corpId ${shown(args.corpId)}`;
    if (answer === "nothing") {
      note(call, "fault", "no answer", about);
      return undefined;
    }
    if (slowMs > 0) await new Promise((go) => { setTimeout(go, slowMs); });
    const forced = isV2 && isOld ? "unknown_method" : answer;
    const { app, corp, user, device } = stage.dataset;
    const body = {
      account_corp_id: corp, user_id: user, device, origin, call, corp_id: textOf(args.corpId), client_id: textOf(args.clientId),
      answer: forced, app: app || null,
    };
    let said = await ask(body);
    if (said.code !== undefined) {
      const key = JSON.stringify([said.app, said.corp_id, said.user_id]);
      if (isSame && given.has(key)) said = { ...said, code: given.get(key) };
      given.set(key, said.code);
      note(call, "ok", `code ${said.code.slice(0, 6)}…`, `${about} · for ${said.user_id} in ${said.app}`);
      return { code: said.code };
    }
    note(call, forced === "code" ? "refused" : "fault", String(said.errorCode), `${said.errorMessage} · ${about}`);
    return said;
  }

  async function heard(event) {
    const message = event.data;
    if (!message || message.mark !== MARK || !isOurs(event.source)) return;
    const reply = (body) => event.source.postMessage({ mark: MARK, ...body }, event.origin);
    stopWaiting();
    if (message.type === "hello") {
      const { device, version, oldVersion } = stage.dataset;
      reply({ type: "welcome", platform: device, version: switches().isOld ? oldVersion : version });
    }
    if (message.type !== "call") return;
    try {
      const body = await answerTo(event.origin, message.method, message.args || {});
      if (body) reply({ type: "answer", id: message.id, body });
    } catch (error) {
      by("toast").textContent = error.message;
      by("toast").hidden = false;
    }
  }

  let quiet;
  function stopWaiting() {
    clearTimeout(quiet);
    if (by("silent")) by("silent").hidden = true;
  }

  function open() {
    stopWaiting();
    frame.src = frame.dataset.src;
    quiet = setTimeout(() => { by("silent").hidden = false; }, QUIET_MS);
  }

  /** Takes the switches along into this page's address and into every link that stays in the client. */
  function carry() {
    const { answer, slowMs, isOld, isSame } = switches();
    const values = { answer: answer === "code" ? "" : answer, slow: slowMs || "", old: isOld ? "1" : "", same: isSame ? "1" : "" };
    const carried = (href) => {
      const url = new URL(href);
      for (const [name, value] of Object.entries(values)) {
        if (value) url.searchParams.set(name, value);
        else url.searchParams.delete(name);
      }
      return url.href;
    };
    history.replaceState(null, "", carried(location.href));
    for (const link of document.querySelectorAll("a[data-carry]")) link.href = carried(link.href);
  }

  /** What is left out has its default, so the address stays short. */
  form.addEventListener("submit", () => {
    for (const field of form.querySelectorAll("select, input")) field.disabled ||= field.value === "";
  });
  window.addEventListener("pageshow", () => {
    for (const field of form.querySelectorAll("select, input")) field.disabled = false;
  });
  form.addEventListener("change", ({ target }) => {
    if (["answer", "slow", "old", "same"].includes(target.name)) return carry();
    // Another organisation has other people and apps.
    if (target.name === "corp") for (const name of ["user", "app"]) form.elements[name].disabled = true;
    if (target.name !== "path") form.requestSubmit();
  });
  document.addEventListener("click", ({ target }) => {
    const menu = document.querySelector(".menu");
    if (menu && !(menu.contains(target) && target.closest("summary"))) menu.open = false;
    if (target.closest("#reload")) open();
  });
  document.addEventListener("keydown", ({ key }) => {
    const menu = document.querySelector(".menu[open]");
    if (menu && key === "Escape") menu.open = false;
  });
  window.addEventListener("message", heard);
  if (frame) open();
})();
