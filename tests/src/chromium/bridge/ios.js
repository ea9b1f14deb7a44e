document.addEventListener('DOMContentLoaded', () => {
  let isReady = false;
  window.WebViewJavascriptBridge = {
    init() {
      isReady = true;
    },
    registerHandler() {},
    callHandler(name, parameters, then) {
      if (!isReady) return;
      native(name, parameters, ({ ok, body }) => then(ok ? { errorCode: '0', result: body } : body));
    },
  };
  document.dispatchEvent(new CustomEvent('WebViewJavascriptBridgeReady'));
});
