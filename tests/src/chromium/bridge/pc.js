// The desktop program shows a page in a window of its own and takes messages that are meant for its origin.
const HOST = 'https://im.dingtalk.com';
window.name = JSON.stringify({ hostOrigin: HOST, containerId: 'test-1', hostVersion: '7.6.45', language: 'zh_CN' });
window.dingtalk = { platform: { invokeAPI() {} } };
const postElsewhere = window.postMessage.bind(window);
window.postMessage = (message, target, ...rest) => {
  if (target !== HOST) {
    postElsewhere(message, target, ...rest);
    return;
  }
  if (message.type !== 'request' || message.containerId !== 'test-1') return;
  native(message.methodName, message.body, ({ ok, body }) => {
    const data = { type: 'response', msgId: message.msgId, success: ok, body };
    window.dispatchEvent(new MessageEvent('message', { origin: HOST, source: window, data }));
  });
};
