/* The ground of the page: elements, the corrected clock, freshness, words of time. Every other file hangs on window.scorecard_views. */
(function () {
  "use strict";
  const S = (window.scorecard_views = window.scorecard_views || {});
  const self = document.currentScript;
  S.assets = self ? self.src.replace(/[^/]*$/, "") : "/assets/";
  S.stamp = "";

  S.h = function () {
    return window.React.createElement.apply(window.React, arguments);
  };

  /* The server's time: the browser's clock corrected by what the last page said. A fixed clock (--now) stands still. */
  let skew = 0;
  let still = null;
  S.setClock = function (page) {
    skew = page.now - Date.now();
    still = page.ticking ? null : page.now;
  };
  S.now = function () {
    return still === null ? Date.now() + skew : still;
  };

  /* Only addresses that cannot run anything. The server checks too; this is the second lock on the same door. */
  S.safeLink = function (address) {
    if (typeof address !== "string" || !address) return null;
    if (address[0] === "/" && address[1] !== "/" && address[1] !== "\\") return address;
    return /^(https?:\/\/|mailto:)/i.test(address) ? address : null;
  };
  S.isOurs = function (address) {
    return typeof address === "string" && address[0] === "/";
  };

  /* A reading as it must be shown now: judged once an override has ended, grey and stale once its freshness has run out. */
  function ended(until, now) {
    return until !== null && until !== undefined && now >= until;
  }
  function without(tags, kinds) {
    return tags
      ? tags.filter(function (tag) {
          return kinds.indexOf(tag.kind) < 0;
        })
      : tags;
  }
  S.isStale = function (item, now) {
    return item.fresh !== null && item.fresh !== undefined && now > item.fresh && (item.status !== "grey" || !!item.by);
  };
  S.shown = function (item, now) {
    if (item.judged && ended(item.until, now)) item = Object.assign({}, item, item.judged, { judged: null, until: null, by: null, tags: without(item.tags, ["said"]) });
    if (!S.isStale(item, now)) return item;
    return Object.assign({}, item, { status: "grey", word: "Stale", reason: "stale", because: item.stale, turned: true, thin: false, change: null, by: null, tags: without(item.tags, ["said", "thin"]) });
  };

  const ORDER = ["red", "amber", "grey", "green", "neutral"];
  S.ORDER = ORDER;
  /* Marks are [status, fresh until (ms or null), counts?], and under an override also [until (ms or null), judged status]: the
     counts, and the worst of those that count. Grey is never rolled up to green. */
  S.tally = function (marks, now) {
    const counts = { red: 0, amber: 0, grey: 0, green: 0, neutral: 0 };
    let worst = "neutral";
    marks.forEach(function (mark) {
      if (!mark[2]) return;
      const judged = ended(mark[3], now) ? mark[4] : mark[0];
      const status = mark[1] !== null && now > mark[1] ? "grey" : judged;
      counts[status] += 1;
      if (status !== "neutral" && (worst === "neutral" || ORDER.indexOf(status) < ORDER.indexOf(worst))) worst = status;
    });
    return { counts: counts, worst: worst };
  };

  /* The organisation counts scorecards: each by its own worst. */
  S.tallyDecks = function (decks, now) {
    return S.tally(
      decks.map(function (marks) {
        return [S.tally(marks, now).worst, null, true];
      }),
      now
    );
  };

  /* Every moment in the page after which something turns grey, so that one timer can wait for the next of them. */
  S.freshMoments = function (page) {
    const found = [];
    (function walk(node) {
      if (Array.isArray(node)) {
        if ((node.length === 3 || node.length === 5) && typeof node[0] === "string" && ORDER.indexOf(node[0]) >= 0) {
          if (typeof node[1] === "number") found.push(node[1]);
          if (typeof node[3] === "number") found.push(node[3]);
        } else node.forEach(walk);
      } else if (node && typeof node === "object") {
        if (typeof node.fresh === "number") found.push(node.fresh);
        if (typeof node.until === "number") found.push(node.until);
        Object.keys(node).forEach(function (key) {
          const child = node[key];
          if (child && typeof child === "object") walk(child);
        });
      }
    })(page);
    return found.sort(function (a, b) {
      return a - b;
    });
  };

  S.ago = function (seconds) {
    const s = Math.max(0, Math.floor(seconds));
    if (s < 60) return s + " s";
    const m = Math.floor(s / 60);
    if (m < 60) return m + " min";
    const hours = Math.floor(m / 60);
    if (hours < 48) return hours + " h" + (hours < 12 && m % 60 ? " " + (m % 60) + " min" : "");
    return Math.floor(hours / 24) + " days";
  };

  const formats = {};
  S.clockTime = function (ms, zone, withSeconds) {
    const key = zone + withSeconds;
    if (!formats[key]) {
      const options = { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: zone };
      if (withSeconds) options.second = "2-digit";
      formats[key] = new Intl.DateTimeFormat("en-GB", options);
    }
    return formats[key].format(new Date(ms));
  };
  S.dayTime = function (ms, zone) {
    const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: zone });
    const today = day.format(new Date(S.now())) === day.format(new Date(ms));
    return (today ? "" : day.format(new Date(ms)) + ", ") + S.clockTime(ms, zone, false);
  };

  /* Re-renders its caller every so often, and at once when a sleeping tab wakes. */
  S.useTicker = function (every) {
    const state = window.React.useState(0);
    window.React.useEffect(
      function () {
        if (!every) return undefined;
        const beat = function () {
          state[1](function (n) {
            return (n + 1) % 1000000;
          });
        };
        const timer = setInterval(beat, every);
        document.addEventListener("visibilitychange", beat);
        return function () {
          clearInterval(timer);
          document.removeEventListener("visibilitychange", beat);
        };
      },
      [every]
    );
    return state[0];
  };

  /* Re-renders its caller at the next moment at which anything on the page turns grey. */
  S.useFreshness = function (page) {
    const state = window.React.useState(0);
    window.React.useEffect(
      function () {
        const now = S.now();
        const moments = page ? S.freshMoments(page) : [];
        const next = moments.find(function (moment) {
          return moment >= now;
        });
        if (next === undefined) return undefined;
        const timer = setTimeout(function () {
          state[1](function (n) {
            return (n + 1) % 1000000;
          });
        }, Math.min(next - now + 25, 3600000));
        return function () {
          clearTimeout(timer);
        };
      },
      [page, state[0]]
    );
  };
})();
