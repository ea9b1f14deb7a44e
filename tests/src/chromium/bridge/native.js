'use strict';
// What every client has: a way to its native side, which is the test.
const native = (() => {
  const waiting = new Map();
  let last = 0;
  Object.defineProperty(window, 'dingtalkNativeAnswer', {
    value: (id, answer) => {
      const then = waiting.get(id);
      waiting.delete(id);
      if (then) then(answer);
    },
  });
  const send = window.dingtalkNative;
  return (method, parameters, then) => {
    last += 1;
    waiting.set(last, then);
    send(JSON.stringify({ id: last, method, parameters: JSON.parse(JSON.stringify(parameters || {})) }));
  };
})();
