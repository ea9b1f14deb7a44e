'use strict';
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  const here = location.pathname + location.search + location.hash;
  const address = data.login + encodeURIComponent(here);
  document.getElementById('go').href = address;
  if (!data.waits) location.replace(address);
})();
