/* Sources, their freshness and their runs. */
(function () {
  "use strict";
  const S = (window.scorecard_views = window.scorecard_views || {});
  const h = function () {
    return S.h.apply(null, arguments);
  };
  S.pages = S.pages || {};

  function Due(props) {
    S.useTicker(props.ms ? 1000 : 0);
    if (!props.ms) return "–";
    const left = (props.ms - S.now()) / 1000;
    return left >= 0 ? "in " + S.ago(left) : h("span", { className: "late" }, S.ago(-left) + " overdue");
  }

  function Source(props) {
    const source = S.shown(props.source, props.now);
    return h(
      "section",
      { className: "card source " + source.status, "data-source": source.name, "data-status": source.status },
      h("header", null, h("h3", null, source.name), h("span", { className: "faint" }, source.kind, source.every ? " · " + source.every : ""), h(S.Chip, { item: source })),
      source.problem ? h("p", { className: "problem" }, h("b", null, source.problem), source.hint ? h("em", null, source.hint) : null) : null,
      h(
        "dl",
        null,
        h(S.Fact, { term: "Last good load" }, source.loaded ? h("span", { title: source.loaded_text }, h(S.Age, { ms: source.loaded })) : "never"),
        h(S.Fact, { term: "Data until" }, source.until || "–"),
        h(S.Fact, { term: "Next run" }, h(Due, { ms: source.next })),
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
      source.metrics.length
        ? h(
            "p",
            { className: "feeds" },
            h("span", { className: "faint" }, "Feeds "),
            source.metrics.map(function (metric) {
              return h(S.Link, { key: metric.href, href: metric.href }, metric.text);
            })
          )
        : h("p", { className: "feeds faint" }, "Feeds no metric.")
    );
  }

  const COUNTS = ["Read", "Loaded", "Unchanged", "Duplicate", "Quarantined", "Removed"];

  S.pages.data = function (props) {
    const body = props.page.body;
    const many = window.React.useState(15);
    if (body.empty) return h(S.Empty, body.empty);
    return h(
      window.React.Fragment,
      null,
      h(
        "div",
        { className: "sources" },
        body.sources.map(function (source) {
          return h(Source, { key: source.name, source: source, now: props.now });
        })
      ),
      h(S.Quarantine, { sources: body.aside }),
      h(
        "section",
        { className: "card loads", "aria-labelledby": "loads" },
        h("header", null, h("h2", { id: "loads" }, "Run history"), h("p", null, "newest first")),
        body.loads.length
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
                    h("th", { scope: "col", className: "right" }, "Took"),
                    h("th", { scope: "col" }, "Cause")
                  )
                ),
                h(
                  "tbody",
                  null,
                  body.loads.slice(0, many[0]).map(function (load) {
                    return h(
                      "tr",
                      { key: load.id },
                      h("th", { scope: "row" }, h("b", null, load.source)),
                      h("td", null, load.at),
                      h("td", null, h("span", { className: "chip " + load.status }, h(S.Shape, { status: load.status }), load.word), load.problem ? h("span", { className: "load-problem" }, load.problem) : null),
                      load.counts.map(function (count, index) {
                        return h("td", { key: index, className: "right" + (count === "0" ? " nil" : "") }, count);
                      }),
                      h("td", { className: "right faint" }, load.seconds),
                      h("td", { className: "faint" }, load.cause)
                    );
                  })
                )
              )
            )
          : h("p", { className: "faint pad" }, "No run has finished yet."),
        body.loads.length > many[0]
          ? h(
              "button",
              {
                className: "quiet",
                onClick: function () {
                  many[1](body.loads.length);
                },
              },
              "Show all " + body.loads.length
            )
          : null
      )
    );
  };
})();
