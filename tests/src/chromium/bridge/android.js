// `nuva` comes when the web view's runtime is ready, which a document may hear only later.
document.addEventListener('DOMContentLoaded', () => {
  window.nuva = {
    isReady: true,
    require: () => (succeed, fail, service, action, parameters) => {
      native(`${service}.${action}`, parameters, ({ ok, body }) => (ok ? succeed(body) : fail(body)));
    },
  };
  document.dispatchEvent(new CustomEvent('runtimeready'));
});
