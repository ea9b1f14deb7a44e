// A stand-in for DingTalk's ddlogin.js 0.21.0. It talks to the sandbox it came from, where DingTalk's talks to login.dingtalk.com.
// `?twice` in its own address makes onSuccess fire twice, as has been seen of DingTalk's.
(() => {
  "use strict";
  const source = new URL(document.currentScript.src);
  const times = source.searchParams.has("twice") ? 2 : 1;
  const NEEDED = ["redirect_uri", "response_type", "client_id", "scope", "prompt"];
  const OPTIONAL = ["state", "org_type", "corpId", "exclusiveLogin", "exclusiveCorpId"];

  function isMissing(frame, login) {
    if (!frame || !login || !frame.id || NEEDED.some((name) => !login[name])) return true;
    if (/corpid/.test(login.scope) && !(login.org_type && login.corpId)) return true;
    return String(login.exclusiveLogin) === "true" && !login.exclusiveCorpId;
  }

  window.DTFrameLogin = (frame, login, onSuccess, onError) => {
    const fail = (error) => { if (onError) onError(error); };
    if (!window.postMessage || !window.addEventListener) return fail("Browser not support");
    if (isMissing(frame, login)) return fail("Missing parameters");
    const place = document.getElementById(frame.id);
    if (!place) return fail("Element not found");

    // The values go into the address as they were given: redirect_uri comes encoded.
    const query = [...NEEDED, ...OPTIONAL].filter((name) => login[name]).map((name) => `${name}=${login[name]}`);
    const view = document.createElement("iframe");
    view.src = `${source.origin}/oauth2/auth?iframe=true&${query.join("&")}`;
    view.width = Math.max(frame.width || 300, 280);
    view.height = Math.max(frame.height || 300, 280);
    view.frameBorder = "0";
    view.scrolling = "no";
    view.title = "DingTalk";
    place.replaceChildren(view);

    window.addEventListener("message", (event) => {
      // DingTalk's script looks for its host anywhere in the origin. So does this one: a page must check for itself.
      if (!event.origin.includes(source.host)) return;
      const data = event.data || {};
      if (!data.success || !data.redirectUrl) return fail(data.errorMsg);
      const back = new URL(data.redirectUrl).searchParams;
      if (back.get("error")) return fail(back.get("error"));
      const result = { redirectUrl: data.redirectUrl, authCode: back.get("authCode"), state: back.get("state") };
      for (let time = 0; time < times; time += 1) onSuccess(result);
    });
  };
})();
