/* How a source stands with the schedule: the strip of its runs, its age against its limit, its breaker, and a run on demand. */
(function () {
  "use strict";
  const S = (window.scorecard_views = window.scorecard_views || {});
  const h = function () {
    return S.h.apply(null, arguments);
  };
  const CELL = { o: "ok", u: "same", h: "held", f: "failed", "-": "none" };

  /* One sign for each run or half hour, oldest first: height tells what colour tells. */
  S.Strip = function (props) {
    const strip = props.strip;
    if (!strip) return h("p", { className: "strip-none faint" }, "No run yet");
    return h(
      "figure",
      { className: "strip" },
      h(
        "div",
        { className: "strip-cells", role: "img", "aria-label": strip.label },
        strip.marks.padStart(strip.places, " ").split("").map(function (mark, index) {
          return h("i", { key: index, className: CELL[mark] || "blank", title: strip.titles[index - Math.max(0, strip.places - strip.marks.length)] });
        })
      ),
      props.small ? null : h("figcaption", null, h("span", null, "since " + strip.from), h("span", null, strip.unit))
    );
  };

  /* How many sources stand how, in the words of their chips. */
  S.Standings = function (props) {
    const found = {};
    props.sources.forEach(function (source) {
      const shown = S.shown(source, props.now);
      const key = shown.status + " " + shown.word;
      found[key] = found[key] || { status: shown.status, word: shown.word, number: 0 };
      found[key].number += 1;
    });
    return h(
      "ul",
      { className: "counts", "aria-label": "Sources by how they stand" },
      Object.keys(found)
        .sort(function (a, b) {
          return S.ORDER.indexOf(found[a].status) - S.ORDER.indexOf(found[b].status);
        })
        .map(function (key) {
          const each = found[key];
          return h("li", { key: key, className: "count " + each.status }, h(S.Shape, { status: each.status }), h("b", null, each.number), h("span", null, " " + each.word.toLowerCase()));
        })
    );
  };

  S.Due = function (props) {
    const turn = props.turn;
    S.useTicker(turn.next || turn.running ? 1000 : 0);
    const now = S.now();
    if (turn.running) return h("span", { className: "running" }, "under way for " + S.ago((now - turn.running) / 1000));
    if (turn.waiting && now - turn.waiting > 2000) return h("span", { className: "late" }, "waiting for a worker, " + S.ago((now - turn.waiting) / 1000));
    if (!turn.next) return "–";
    const left = (turn.next - now) / 1000;
    if (left >= 0) return "in " + S.ago(left);
    return left > -3 ? "now" : h("span", { className: "late" }, S.ago(-left) + " overdue");
  };

  /* How much of the time that a load is good for has passed. */
  S.Freshness = function (props) {
    const source = props.source;
    const turn = source.turn;
    S.useTicker(source.loaded ? 1000 : 0);
    if (!source.loaded) return h("span", null, "never");
    const age = (S.now() - source.loaded) / 1000;
    const share = turn.fresh_for ? Math.max(0, Math.min(1, (age * 1000) / turn.fresh_for)) : 0;
    const level = share >= 1 ? "spent" : share > 0.75 ? "near" : "well";
    return h(
      "span",
      { className: "freshness " + level, title: source.loaded_text },
      h("span", null, S.ago(age) + (props.small ? "" : " ago")),
      turn.fresh_for ? h("i", { className: "freshness-bar", "aria-hidden": true }, h("i", { style: { width: share * 100 + "%" } })) : null,
      turn.fresh_for && !props.small ? h("span", { className: "faint" }, level === "spent" ? "limit of " + turn.fresh_for_text + " passed" : "of " + turn.fresh_for_text) : null
    );
  };

  /* What has been failing, since when, and what is done about it. */
  S.Failing = function (props) {
    const turn = props.turn;
    S.useTicker(turn.failing || turn.breaker ? 1000 : 0);
    if (!turn.failing && !turn.breaker) return null;
    const left = turn.breaker && turn.breaker.next ? (turn.breaker.next - S.now()) / 1000 : null;
    return h(
      "p",
      { className: "failing" },
      turn.failing ? h("b", null, turn.failing.text, h("span", null, " · " + turn.failing.runs + " · " + S.ago((S.now() - turn.failing.since) / 1000))) : null,
      turn.breaker ? h("span", { className: "breaker " + turn.breaker.state, "data-breaker": turn.breaker.state }, turn.breaker.text, left === null ? null : h("b", null, left > 0 ? " · next try in " + S.ago(left) : " · trying now")) : null
    );
  };

  /* A run on demand, also where the breaker is open. */
  S.PullNow = function (props) {
    const state = window.React.useState({ busy: false, said: null });
    function pull() {
      state[1]({ busy: true, said: null });
      fetch("/api/v1/sources/" + encodeURIComponent(props.source) + "/refresh", { method: "POST", credentials: "same-origin" })
        .then(function (answer) {
          if (answer.status === 202) return null;
          return answer.json().then(function (told) {
            throw new Error(told.error ? told.error.message : "the server answered " + answer.status);
          });
        })
        .then(
          function () {
            state[1]({ busy: false, said: "asked for" });
            setTimeout(props.ask, 700);
            setTimeout(function () {
              state[1]({ busy: false, said: null });
            }, 4000);
          },
          function (error) {
            state[1]({ busy: false, said: "Not asked for: " + error.message });
          }
        );
    }
    return h(
      "span",
      { className: "pull-now" },
      state[0].said ? h("span", { role: "status", className: "faint" }, state[0].said) : null,
      h("button", { type: "button", disabled: state[0].busy, onClick: pull, "aria-label": "Pull " + props.source + " now", title: "Pull it now, beside its schedule" }, "Pull now")
    );
  };

  /* What is wrong with the scheduler itself, on every page. */
  S.Alarms = function (props) {
    if (!props.page.alarms || !props.page.alarms.length) return null;
    return h(
      "section",
      { className: "notices alarms", role: "alert", "aria-label": "Scheduler" },
      props.page.alarms.map(function (alarm) {
        return h(
          "p",
          { key: alarm.kind, "data-alarm": alarm.kind },
          h(S.Shape, { status: "amber" }),
          h("b", null, alarm.message),
          h("span", { className: "faint" }, "since " + S.clockTime(alarm.since, props.page.timezone, true)),
          h("em", null, alarm.hint)
        );
      })
    );
  };
})();
