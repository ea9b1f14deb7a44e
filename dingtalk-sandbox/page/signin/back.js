"use strict";
// What an app's server does when somebody comes back from the sign-in page, done by this page.
(async () => {
  const query = new URLSearchParams(location.search);
  const HIDDEN = ["accessToken", "refreshToken", "expireIn", "errcode", "errmsg", "result", "request_id"];
  const steps = document.getElementById("steps");

  function add(name, ok, text) {
    const item = document.createElement("li");
    item.className = ok ? "ok" : "no";
    const title = document.createElement("b");
    title.textContent = name;
    const value = document.createElement("code");
    value.textContent = text;
    item.append(title, value);
    steps.append(item);
  }

  async function ask(name, path, init) {
    const answer = await fetch(path, init);
    const body = await answer.json();
    const ok = answer.ok && !body.errcode;
    const shown = ok ? { ...body, ...body.result } : { code: body.code || body.sub_code || body.errcode, message: body.message || body.errmsg };
    const lines = Object.entries(shown).filter(([key]) => !HIDDEN.includes(key)).map(([key, value]) => `${key}: ${value}`);
    add(name, ok, lines.join("\n") || "ok");
    return ok ? body : null;
  }
  const post = (body) => ({ method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });

  const code = query.get("authCode") || query.get("code");
  if (!code) return add("error", false, query.get("error") || "-");
  add("code", true, code);
  const world = await (await fetch("/sandbox/world")).json();
  const app = world.apps.find((one) => one.app_key === query.get("state"));
  if (!app) return add("state", false, query.get("state") || "-");
  const grant = { clientId: app.app_key, clientSecret: app.app_secret, grantType: "authorization_code", code };
  const user = await ask("userAccessToken", "/v1.0/oauth2/userAccessToken", post(grant));
  if (!user) return;
  const headers = { "x-acs-dingtalk-access-token": user.accessToken };
  const me = await ask("contact/users/me", "/v1.0/contact/users/me", { headers });
  if (!me) return;
  const own = await ask("accessToken", "/v1.0/oauth2/accessToken", post({ appKey: app.app_key, appSecret: app.app_secret }));
  if (!own) return;
  const token = `?access_token=${encodeURIComponent(own.accessToken)}`;
  await ask("getbyunionid", `/topapi/user/getbyunionid${token}`, post({ unionid: me.unionId }));
})();
