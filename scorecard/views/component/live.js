/* The link to the server: one event stream per browser in a SharedWorker, and polling where that does not work. */
(function () {
  "use strict";
  const S = (window.scorecard_views = window.scorecard_views || {});
  const SILENCE = 4000;
  const POLL = 2000;

  const link = { state: "waiting", since: 0, version: null };
  const listeners = new Set();
  let port = null;
  let heard = 0;
  let poller = null;
  let started = false;

  S.linkState = function () {
    return link.state;
  };

  function tell(state, version) {
    const before = link.state;
    const fresh = version !== null && version !== undefined && version !== link.version;
    if (state === "lost" && before !== "lost") link.since = Date.now();
    link.state = state;
    if (fresh) link.version = version;
    const down = ["lost", "shut"];
    const back = down.indexOf(before) >= 0 && down.indexOf(state) < 0;
    if (before !== state || fresh)
      listeners.forEach(function (listener) {
        listener(fresh, back);
      });
  }
  /* Whether another version than this one is known to be out. */
  S.newsThan = function (version) {
    return link.version !== null && link.version !== version;
  };

  /* -- polling, also when the worker has fallen silent ------------------------------------------------------ */
  let asked = false;
  function poll() {
    if (asked) return;
    asked = true;
    const abort = window.AbortController ? new AbortController() : null;
    const limit = setTimeout(function () {
      if (abort) abort.abort();
    }, 5000);
    fetch("/api/v1/version", { cache: "no-cache", credentials: "same-origin", signal: abort ? abort.signal : undefined })
      .then(function (answer) {
        if (answer.status === 401 || answer.status === 403) return null;
        if (!answer.ok) throw new Error("status " + answer.status);
        return answer.json();
      })
      .then(function (said) {
        if (!poller) return;
        if (said) tell("poll", said.version);
        else tell("shut");
      })
      .catch(function () {
        if (poller) tell("lost");
      })
      .then(function () {
        clearTimeout(limit);
        asked = false;
      });
  }
  function startPolling() {
    if (poller) return;
    poller = setInterval(poll, POLL);
    poll();
  }
  function stopPolling() {
    if (poller) clearInterval(poller);
    poller = null;
  }

  /* -- the worker ------------------------------------------------------------------------------------------- */
  function startWorker() {
    try {
      const worker = new SharedWorker(S.assets + "live-worker.js" + S.stamp, { name: "scorecard-live" });
      worker.onerror = startPolling;
      port = worker.port;
      port.onmessage = function (event) {
        heard = Date.now();
        stopPolling();
        tell(event.data.state, event.data.version);
      };
      port.postMessage({ hello: true });
    } catch (refused) {
      startPolling();
    }
  }
  function watch() {
    if (port) port.postMessage({ here: true });
    if (Date.now() - heard > SILENCE) startPolling();
  }
  function start() {
    if (started) return;
    started = true;
    heard = Date.now();
    if (window.SharedWorker) startWorker();
    else startPolling();
    setInterval(watch, POLL);
    window.addEventListener("pagehide", function () {
      if (port) port.postMessage({ bye: true });
    });
    window.addEventListener("pageshow", function () {
      if (port) port.postMessage({ hello: true });
    });
    document.addEventListener("visibilitychange", function () {
      if (!document.hidden) watch();
    });
  }

  /* The link's state for drawing. Asks for the page anew when another version is out, or when the server is back. */
  S.useLive = function (page, ask) {
    const React = window.React;
    const state = React.useState(0);
    React.useEffect(
      function () {
        start();
        const listener = function (fresh, back) {
          state[1](function (n) {
            return (n + 1) % 1000000;
          });
          if ((fresh && S.newsThan(S.shownVersion)) || back) ask();
        };
        listeners.add(listener);
        return function () {
          listeners.delete(listener);
        };
      },
      [ask]
    );
    return link;
  };
})();
