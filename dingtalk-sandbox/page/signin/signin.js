"use strict";
(() => {
  const { step, message, target } = document.body.dataset;
  const by = (id) => document.getElementById(id);

  // In a frame: the page around it goes on, and only the app's own page is told.
  if (message) window.parent.postMessage(JSON.parse(message), target);

  function show(id) {
    if (!by(id).hidden) return;
    by(id).hidden = false;
    by("scan-status").textContent = by("scan-status").dataset[id];
  }

  async function ask() {
    let status = "waiting";
    try {
      const answer = await fetch(`${step}/status`, { cache: "no-store" });
      if (answer.ok) ({ status } = await answer.json());
    } catch { /* the sandbox is away for a moment: ask again */ }
    if (status === "scanned") show("scanned");
    if (status === "over") return show("expired");
    if (status === "done" || status === "failed") return location.replace(step);
    setTimeout(ask, 1000);
  }
  if (step) ask();

  document.addEventListener("click", (event) => {
    const toy = event.target.closest(".toy");
    if (!toy) return;
    by("account").value = toy.dataset.account;
    by("password").value = toy.dataset.password;
    document.querySelector(".type .primary").focus();
  });
})();
