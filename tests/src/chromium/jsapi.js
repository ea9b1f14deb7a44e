'use strict';
// What DingTalk's JSAPI script does for a login, written anew from how it behaves: it finds out which client it is in and carries
// the two calls that ask for a code over that client's bridge. `cargo xtask conformance` puts DingTalk's own package in its place.
(() => {
  const agent = navigator.userAgent;
  const isDingTalk = /DingTalk/i.test(agent);
  const isHarmony = /OpenHarmony/i.test(agent) && /ArkWeb/i.test(agent) && isDingTalk;

  let pc = {};
  try {
    pc = JSON.parse((window.name.match(/{.*}/) || ['{}'])[0]);
  } catch (error) { /* another window's name */ }

  function platformOf() {
    if (/iPhone|iPad|iPod|iOS/i.test(agent) && isDingTalk) return 'ios';
    if (/Android/i.test(agent) && isDingTalk && !isHarmony) return 'android';
    if (isHarmony) return 'harmony';
    if (pc.containerId || (window.dingtalk && window.dingtalk.platform && window.dingtalk.platform.invokeAPI)) return 'pc';
    return 'notInDingTalk';
  }

  /** Resolves when `find` finds something: now, or at one of the document's events. */
  const ready = (find, event, failed) => new Promise((resolve, reject) => {
    if (find()) {
      resolve(find());
      return;
    }
    document.addEventListener(event, () => (find() ? resolve(find()) : reject(new Error(event))));
    if (failed) document.addEventListener(failed, (fault) => reject(fault.detail));
  });

  const bridges = {
    android() {
      const found = ready(() => window.nuva && window.nuva.isReady !== false && window.nuva, 'runtimeready', 'runtimefailed');
      return found.then((nuva) => {
        const call = nuva.require();
        return (name, parameters) => new Promise((resolve, reject) => {
          const parts = name.split('.');
          const action = parts.pop();
          call(resolve, reject, parts.join('.'), action, parameters);
        });
      });
    },
    ios() {
      return ready(() => window.WebViewJavascriptBridge, 'WebViewJavascriptBridgeReady').then((bridge) => {
        bridge.init(() => {});
        return (name, parameters) => new Promise((resolve, reject) => {
          bridge.callHandler(name, parameters, (answer) => {
            if (answer && answer.errorCode === '0') resolve(answer.result);
            else reject(answer || {});
          });
        });
      });
    },
    harmony() {
      return ready(() => window.DingTalkJSBridge, 'DingTalkJSBridgeReady').then((bridge) => {
        bridge.init(() => {});
        return (name, parameters) => new Promise((resolve, reject) => {
          bridge.call(name, parameters, (answer) => (answer.success ? resolve(answer.body) : reject(answer.body)));
        });
      });
    },
    pc() {
      const host = String(pc.hostOrigin || '');
      const isTrusted = /(\.dingtalk\.com|7ding\.ai)$/.test(host.split(':')[1] || '');
      const target = window.top === window ? window : window.top;
      const waiting = new Map();
      let last = Math.floor(Math.random() * 1e6) * 1000;
      window.addEventListener('message', ({ origin, data }) => {
        if (origin !== host || !data || data.type !== 'response' || !waiting.has(data.msgId)) return;
        const [resolve, reject] = waiting.get(data.msgId);
        waiting.delete(data.msgId);
        if (data.success) resolve(data.body);
        else reject(data.body);
      });
      return Promise.resolve((name, parameters) => new Promise((resolve, reject) => {
        // A host that is not DingTalk's is asked nothing, and the call never ends.
        if (!isTrusted) return;
        last += 1;
        waiting.set(last, [resolve, reject]);
        target.postMessage({ msgId: last, containerId: pc.containerId, methodName: name, body: parameters, type: 'request' }, host);
      }));
    },
    notInDingTalk() {
      return Promise.reject(new Error("[DINGTALK-JSAPI] ERROR 4040: Do not support the current environment：'notInDingTalk'"));
    },
  };

  const platform = platformOf();
  let bridge = null;

  function invoke(name, asked) {
    const parameters = {};
    const callbacks = {};
    for (const [key, value] of Object.entries(asked || {})) {
      (typeof value === 'function' ? callbacks : parameters)[key] = value;
    }
    const succeed = callbacks.success || callbacks.onSuccess;
    const fail = callbacks.fail || callbacks.onFail;
    bridge = bridge || bridges[platform]();
    // Without a bridge callbacks are never called: only the promise tells.
    return bridge.then((call) => call(name, parameters).then((result) => {
      if (succeed) succeed(result);
      return result;
    }, (error) => {
      if (fail) fail(error);
      throw error;
    }));
  }

  const version = (agent.match(/AliApp\(\w+\/([\w.-]+)\)/) || agent.match(/DingTalk\/([\w.-]+)/) || [])[1];
  window.dd = {
    env: { platform, version: pc.hostVersion || version, appType: 'WEB' },
    ready(then) {
      bridge = bridge || bridges[platform]();
      bridge.then(then, () => {});
    },
    error() {},
    requestAuthCode: (asked) => invoke('runtime.permission.requestAuthCodeV2', asked),
    runtime: { permission: { requestAuthCode: (asked) => invoke('runtime.permission.requestAuthCode', asked) } },
  };
})();
