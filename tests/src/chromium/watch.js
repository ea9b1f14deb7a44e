// Tells the test what the document shows whenever it changes, from a world of its own that the page's scripts do not see.
(() => {
  const tell = () => window.dingtalkWatch(document.body ? document.body.innerText : '');
  new MutationObserver(tell).observe(document, { attributes: true, characterData: true, childList: true, subtree: true });
  window.addEventListener('load', tell);
})();
