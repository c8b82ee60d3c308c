/* Sources, their freshness and their runs. */
(function () {
  "use strict";
  const S = (window.scorecard_views = window.scorecard_views || {});
  const h = function () {
    return S.h.apply(null, arguments);
  };
  S.pages = S.pages || {};

  function Source(props) {
    const source = S.shown(props.source, props.now);
    return h(
      "section",
      { className: "card source " + source.status, "data-source": source.name, "data-status": source.status },
      h("header", null, h("h3", null, source.name), h("span", { className: "faint" }, source.kind, source.every ? " · " + source.every : ""), h(S.Chip, { item: source })),
      source.problem && !source.hold ? h("p", { className: "problem" }, h("b", null, source.problem), source.hint ? h("em", null, source.hint) : null) : null,
      h(S.Failing, { turn: source.turn }),
      h(S.Strip, { strip: source.turn.strip }),
      h(
        "dl",
        null,
        h(S.Fact, { term: "Last good load" }, h(S.Freshness, { source: source })),
        h(S.Fact, { term: "Data until" }, source.until || "–"),
        h(S.Fact, { term: "Next run" }, h(S.Due, { turn: source.turn })),
        h(S.Fact, { term: "Rows" }, source.rows === null ? "–" : h(S.Live, { text: source.rows, of: source.name }))
      ),
      source.last
        ? h(
            "table",
            { className: "counts-of-load" },
            h("caption", null, "Last run, rows"),
            h(
              "thead",
              null,
              h(
                "tr",
                null,
                source.last.map(function (pair) {
                  return h("th", { key: pair[0], scope: "col" }, pair[0]);
                })
              )
            ),
            h(
              "tbody",
              null,
              h(
                "tr",
                null,
                source.last.map(function (pair) {
                  return h("td", { key: pair[0], className: pair[1] === "0" ? "nil" : "" }, pair[1]);
                })
              )
            )
          )
        : null,
      h(S.Holds, { source: source, ask: props.ask }),
      source.remarks.length || source.details.length
        ? h(
            "ul",
            { className: "remarks" },
            source.remarks.map(function (remark) {
              return h("li", { key: remark }, h(S.Shape, { status: "amber" }), remark);
            }),
            source.details.map(function (detail) {
              return h("li", { key: detail, className: "detail" }, h("code", null, detail));
            })
          )
        : null,
      h("div", { className: "source-foot" }, h(Feeds, { metrics: source.metrics }), h(S.PullNow, { source: source.name, ask: props.ask }))
    );
  }

  function Feeds(props) {
    if (!props.metrics.length) return h("p", { className: "feeds faint" }, "Feeds no metric.");
    return h(
      "p",
      { className: "feeds" },
      h("span", { className: "faint" }, "Feeds "),
      props.metrics.map(function (metric) {
        return h(S.Link, { key: metric.href, href: metric.href }, metric.text);
      })
    );
  }

  /* Where there are many sources, those that are well take a line each. */
  function Calm(props) {
    return h(
      "section",
      { className: "card calm", "aria-labelledby": "calm" },
      h("header", null, h("h2", { id: "calm" }, "Well"), h("p", null, props.sources.length + (props.sources.length === 1 ? " source" : " sources"))),
      h(
        "div",
        { className: "scroll", tabIndex: 0, role: "region", "aria-labelledby": "calm" },
        h(
          "table",
          { className: "plain" },
          h(
            "thead",
            null,
            h(
              "tr",
              null,
              ["Source", "Kind", "Age", "Data until", "Next run", "Lately"].map(function (name) {
                return h("th", { key: name, scope: "col" }, name);
              }),
              h("th", { scope: "col", className: "right" }, "Rows")
            )
          ),
          h(
            "tbody",
            null,
            props.sources.map(function (source) {
              return h(
                "tr",
                { key: source.name, "data-source": source.name, "data-status": source.status },
                h("th", { scope: "row" }, h(S.Shape, { status: source.status }), " ", h("b", null, source.name)),
                h("td", { className: "faint" }, source.kind + (source.every ? " · " + source.every : "")),
                h("td", null, h(S.Freshness, { source: source, small: true })),
                h("td", null, source.until || "–"),
                h("td", null, h(S.Due, { turn: source.turn })),
                h("td", null, h(S.Strip, { strip: source.turn.strip, small: true })),
                h("td", { className: "right" }, source.rows === null ? "–" : source.rows)
              );
            })
          )
        )
      )
    );
  }

  /* The schedule moves on between two boards: what stands beside them is asked for now and then. */
  function useAskingAgain(page, ask) {
    window.React.useEffect(
      function () {
        if (!page.ticking || !ask) return undefined;
        const timer = setInterval(function () {
          if (!document.hidden) ask();
        }, AGAIN);
        return function () {
          clearInterval(timer);
        };
      },
      [page.ticking, ask]
    );
  }

  const AGAIN = 5000;
  const MANY = 12;
  const COUNTS = ["Read", "Loaded", "Unchanged", "Duplicate", "Quarantined", "Removed"];

  S.pages.data = function (props) {
    const body = props.page.body;
    const many = window.React.useState(15);
    const wanted = window.React.useState("");
    useAskingAgain(props.page, props.ask);
    if (body.empty) return h(S.Empty, body.empty);
    const word = wanted[0].trim().toLowerCase();
    const sources = body.sources.filter(function (source) {
      return source.name.indexOf(word) >= 0;
    });
    const loads = body.loads.filter(function (load) {
      return load.source.indexOf(word) >= 0;
    });
    const calm = body.sources.length <= MANY ? [] : sources.filter(function (source) {
      return S.shown(source, props.now).status === "green" && !source.remarks.length;
    });
    return h(
      window.React.Fragment,
      null,
      h(
        "div",
        { className: "data-line" },
        h(S.Standings, { sources: body.sources, now: props.now }),
        body.schedule ? h("span", { className: "schedule", "data-schedule": body.schedule.status }, h(S.Shape, { status: body.schedule.status }), body.schedule.text) : null,
        body.sources.length > MANY
          ? h("input", {
              type: "search",
              placeholder: "Source",
              "aria-label": "Show only sources with this in their name",
              value: wanted[0],
              onChange: function (event) {
                wanted[1](event.target.value);
              },
            })
          : null
      ),
      h(S.Quarantine, { sources: body.aside }),
      h(
        "div",
        { className: "sources" },
        sources
          .filter(function (source) {
            return calm.indexOf(source) < 0;
          })
          .map(function (source) {
            return h(Source, { key: source.name, source: source, now: props.now, ask: props.ask });
          })
      ),
      calm.length ? h(Calm, { sources: calm }) : null,
      h(
        "section",
        { className: "card loads", "aria-labelledby": "loads" },
        h("header", null, h("h2", { id: "loads" }, "Run history"), h("p", null, "newest first")),
        loads.length
          ? h(
              "div",
              { className: "scroll", tabIndex: 0, role: "region", "aria-labelledby": "loads" },
              h(
                "table",
                { className: "plain" },
                h(
                  "thead",
                  null,
                  h(
                    "tr",
                    null,
                    h("th", { scope: "col" }, "Source"),
                    h("th", { scope: "col" }, "Finished"),
                    h("th", { scope: "col" }, "Outcome"),
                    COUNTS.map(function (name) {
                      return h("th", { key: name, scope: "col", className: "right" }, name);
                    }),
                    h("th", { scope: "col", className: "right" }, "Generation"),
                    h("th", { scope: "col", className: "right" }, "Took"),
                    h("th", { scope: "col" }, "Cause")
                  )
                ),
                h(
                  "tbody",
                  null,
                  loads.slice(0, many[0]).map(function (load) {
                    return h(
                      "tr",
                      { key: load.id },
                      h("th", { scope: "row" }, h("b", null, load.source)),
                      h("td", null, load.at),
                      h("td", null, h("span", { className: "chip " + load.status }, h(S.Shape, { status: load.status }), load.word), load.problem ? h("span", { className: "load-problem" }, load.problem) : null, load.decided ? h("span", { className: "load-problem" }, load.decided) : null),
                      load.counts.map(function (count, index) {
                        return h("td", { key: index, className: "right" + (count === "0" ? " nil" : "") }, count);
                      }),
                      h("td", { className: "right faint" }, load.generation),
                      h("td", { className: "right faint" }, load.seconds),
                      h("td", { className: "faint" }, load.cause)
                    );
                  })
                )
              )
            )
          : h("p", { className: "faint pad" }, "No run has finished yet."),
        loads.length > many[0]
          ? h(
              "button",
              {
                className: "quiet",
                onClick: function () {
                  many[1](loads.length);
                },
              },
              "Show all " + loads.length
            )
          : null
      )
    );
  };
})();
