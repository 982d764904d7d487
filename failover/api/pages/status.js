"use strict";
(function () {
  var lost = document.getElementById("lost"), since = document.getElementById("lost-since");
  var heard = Date.now(), asking = false, LOST_MS = 6000;
  function show(text) {
    var page = new DOMParser().parseFromString(text, "text/html"), main = page.querySelector("main");
    if (!main) { throw new Error("not the status page"); }
    document.querySelector("main").replaceWith(main);
    document.title = page.title;
    document.querySelector("link[rel=icon]").href = page.querySelector("link[rel=icon]").href;
    heard = Date.now();
  }
  function refresh() {
    if (asking) { return; }
    asking = true;
    var ends = new AbortController(), timer = setTimeout(function () { ends.abort(); }, 4000);
    fetch(location.href, {cache: "no-store", signal: ends.signal})
      .then(function (answer) { return answer.text(); }).then(show).catch(function () {})
      .finally(function () { clearTimeout(timer); asking = false; watch(); });
  }
  function watch() {
    var silent = Date.now() - heard;
    document.body.classList.toggle("lost", silent > LOST_MS);
    since.textContent = Math.round(silent / 1000);
    if (silent > LOST_MS) { document.title = "? no answer"; }
  }
  lost.hidden = false;
  setInterval(refresh, 2000);
  setInterval(watch, 1000);
  if (window.EventSource) { new EventSource("/v1/events").addEventListener("status", refresh); }
})();
