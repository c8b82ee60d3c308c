/* Shared by all tabs and panels of a browser: one event stream, and polling while the stream is refused or silent.
   Speaks to every port at least every two seconds, so that a page can tell a quiet server from a dead worker. */
"use strict";
const EVENTS = "/api/v1/events";
const VERSION = "/api/v1/version";
const BEAT = 2000;
const REOPEN = 20000;
const CHECK = 10000;
const FORGET = 150000;

const ports = new Map();
let stream = null;
let version = null;
let state = "waiting";
let refusedAt = 0;
let checkedAt = 0;
let asking = false;

function speak(port) {
  port.postMessage({ version: version, state: state });
}
function speakToAll() {
  ports.forEach(function (_, port) {
    speak(port);
  });
}
function heard(number, how) {
  const news = number !== version || state !== how;
  version = number;
  state = how;
  if (news) speakToAll();
}
function lost() {
  if (state === "lost") return;
  state = "lost";
  speakToAll();
}

function open() {
  if (stream || !ports.size) return;
  stream = new EventSource(EVENTS);
  stream.onopen = function () {
    checkedAt = Date.now();
    if (version !== null) heard(version, "live");
  };
  stream.onmessage = function (event) {
    checkedAt = Date.now();
    try {
      heard(JSON.parse(event.data).version, "live");
    } catch (garbled) {
      ask();
    }
  };
  stream.onerror = function () {
    if (stream && stream.readyState === 2) {
      /* Refused (503 when too many streams are open): EventSource never tries again by itself. */
      close();
      refusedAt = Date.now();
    }
    ask();
  };
}
function close() {
  if (stream) stream.close();
  stream = null;
}

function ask() {
  if (asking || !ports.size) return;
  asking = true;
  checkedAt = Date.now();
  const abort = new AbortController();
  const limit = setTimeout(function () {
    abort.abort();
  }, 5000);
  fetch(VERSION, { cache: "no-cache", credentials: "same-origin", signal: abort.signal })
    .then(function (answer) {
      if (answer.status === 401 || answer.status === 403) return null;
      if (!answer.ok) throw new Error("status " + answer.status);
      return answer.json();
    })
    .then(function (said) {
      if (!said) {
        close();
        state = "shut";
        speakToAll();
        return;
      }
      heard(said.version, stream && stream.readyState === 1 ? "live" : "poll");
    })
    .catch(function () {
      /* The stream may look open on a cut cable: it is opened anew once the server answers again. */
      close();
      refusedAt = 0;
      lost();
    })
    .then(function () {
      clearTimeout(limit);
      asking = false;
    });
}

setInterval(function () {
  const now = Date.now();
  ports.forEach(function (seen, port) {
    if (now - seen > FORGET) ports.delete(port);
  });
  if (!ports.size) {
    close();
    return;
  }
  const streaming = stream && stream.readyState === 1;
  if (!streaming || now - checkedAt > CHECK) ask();
  if (!stream && state !== "lost" && state !== "shut" && now - refusedAt > REOPEN) open();
  speakToAll();
}, BEAT);

self.onconnect = function (event) {
  const port = event.ports[0];
  port.onmessage = function (message) {
    if (message.data.bye) {
      ports.delete(port);
      return;
    }
    const fresh = !ports.has(port);
    ports.set(port, Date.now());
    if (fresh && version !== null) speak(port);
    open();
  };
};
