document.addEventListener('DOMContentLoaded', () => {
  let isReady = false;
  window.DingTalkJSBridge = {
    init() {
      isReady = true;
    },
    call(name, parameters, then) {
      if (!isReady) return;
      native(name, parameters, ({ ok, body }) => then({ success: ok, body }));
    },
  };
  document.dispatchEvent(new CustomEvent('DingTalkJSBridgeReady'));
});
