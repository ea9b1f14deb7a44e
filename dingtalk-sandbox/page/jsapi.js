/*
 * A stand-in for DingTalk's JSAPI script, served by the sandbox: `window.dd` for a page that the sandbox's client page opened.
 *
 * Where the real script talks to a bridge of the app's web view, this one talks by postMessage with the page that framed or opened
 * it, and with no other: that page must be the sandbox that served this script. Anywhere else it behaves as the real one does
 * outside DingTalk.
 */
"use strict";
(() => {
  if (!document.currentScript) throw new Error("the sandbox's jsapi.js must be loaded by a script element of its own");
  const own = new URL(document.currentScript.src);
  const host = window.parent !== window ? window.parent : window.opener;
  const MARK = "dingtalk-sandbox";
  const PATIENCE_MS = 1200;
  const AGAIN_MS = 150;

  // The client page names the window it opens, so that the platform is known before the first answer.
  const [mark, platform, version] = window.name.split(" ");
  let env = mark === MARK && host ? { platform, version } : { platform: "notInDingTalk", version: undefined };
  let client = null;
  let isOutside = !host;
  const waiting = [];
  const asked = new Map();
  let last = 0;

  const isLoopback = (name) => name === "localhost" || name === "[::1]" || /^127(\.\d+){3}$/.test(name);

  /** Whether the origin is the sandbox that served this script, under whatever name of this machine. */
  function isSandbox(origin) {
    if (origin === own.origin) return true;
    if (!URL.canParse(origin)) return false;
    const other = new URL(origin);
    return other.protocol === own.protocol && other.port === own.port && isLoopback(other.hostname) && isLoopback(own.hostname);
  }

  function settle(outside) {
    isOutside = outside;
    for (const go of waiting.splice(0)) go();
  }

  function heard(event) {
    const message = event.data;
    if (event.source !== host || !isSandbox(event.origin) || !message || message.mark !== MARK) return;
    if (message.type === "welcome") {
      client = event.origin;
      env = { platform: message.platform, version: message.version };
      settle(false);
    } else if (message.type === "answer" && asked.has(message.id)) {
      const question = asked.get(message.id);
      asked.delete(message.id);
      question(message.body);
    }
  }

  /** Says that a page is here. No secret is in it, so whoever is there may hear it. */
  function greet(left) {
    if (client !== null) return;
    if (left <= 0) {
      env = { platform: "notInDingTalk", version: undefined };
      settle(true);
      return;
    }
    host.postMessage({ mark: MARK, type: "hello" }, "*");
    setTimeout(greet, AGAIN_MS, left - AGAIN_MS);
  }

  const connected = () => new Promise((go) => {
    if (client !== null || isOutside) go();
    else waiting.push(go);
  });

  async function send(method, args) {
    await connected();
    if (client === null) {
      throw new Error(`[DINGTALK-JSAPI] ERROR 4040: Do not support the current environment：'${env.platform}'`);
    }
    return new Promise((answer) => {
      last += 1;
      asked.set(last, answer);
      host.postMessage({ mark: MARK, type: "call", id: last, method, args }, client);
    });
  }

  /** A JSAPI: takes callbacks of both names, returns a promise. Outside DingTalk no callback is called, as with the real script. */
  const api = (method) => ({ onSuccess, success, onFail, fail, ...args } = {}) => {
    const done = send(method, args).then((body) => {
      if ("errorCode" in body) {
        (onFail || fail)?.(body);
        throw body;
      }
      (onSuccess || success)?.(body);
      return body;
    });
    if (onFail || fail) done.catch(() => { /* told by callback */ });
    return done;
  };

  const requestAuthCode = api("runtime.permission.requestAuthCode");
  window.dd = {
    env: {
      get platform() { return env.platform; },
      get version() { return env.version; },
    },
    get version() { return env.version; },
    /** Called once the client answered; never outside it. */
    ready: (go) => { connected().then(() => { if (client !== null) go(); }); },
    /** The real one tells of a dd.config that failed; there is none here, so it is never called. */
    error: () => {},
    requestAuthCode: api("runtime.permission.requestAuthCodeV2"),
    getAuthCode: requestAuthCode,
    runtime: { permission: { requestAuthCode } },
  };

  if (host) {
    window.addEventListener("message", heard);
    greet(PATIENCE_MS);
  }
})();
