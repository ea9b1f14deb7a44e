// Longer waits are for what is really slow.
(() => {
  const later = window.setTimeout.bind(window);
  window.setTimeout = (work, wait, ...rest) => later(work, wait >= 1000 && wait <= LONGEST ? 10 : wait, ...rest);
})();
