/* The page of a team or a process: its card, what stands below it, and its indicators, leading before lagging. */
(function () {
  "use strict";
  const S = (window.scorecard_views = window.scorecard_views || {});
  const h = function () {
    return S.h.apply(null, arguments);
  };

  function Details(props) {
    const item = props.item;
    return h(
      "div",
      { className: "details", id: props.id },
      h("p", { className: "because" }, h(S.Shape, { status: item.status, thin: item.thin }), item.because),
      h(
        "dl",
        null,
        item.facts.map(function (fact) {
          return h("div", { key: fact[0] }, h("dt", null, fact[0]), h("dd", null, fact[1]));
        })
      ),
      h("p", { className: "more" }, h(S.Link, { href: item.href }, "Chart, history, definition and notes"))
    );
  }

  /* A slice's row says what the whole is, so that a part is never taken for all of it. */
  function Whole(props) {
    return h(S.Link, { href: props.whole.href, className: "whole " + props.whole.status, title: props.whole.because }, "all together " + props.whole.text, h(S.Shape, { status: props.whole.status, thin: props.whole.thin }), h("span", { className: "unseen" }, props.whole.word));
  }

  S.Row = function (props) {
    const item = S.shown(props.item, props.now);
    const state = window.React.useState(false);
    const open = state[0];
    const id = "why-" + item.key.replace(/[^a-z0-9-]/gi, "-");
    const row = h(
      "tr",
      { role: "row", className: "row " + item.status + (item.thin ? " thin" : "") + (open ? " open" : ""), "data-metric": item.metric, "data-status": item.status },
      h(
        "th",
        { role: "rowheader", scope: "row", className: "c-name" },
        h("div", { className: "name-cell" }, h(
          "button",
          {
            className: "why",
            "aria-expanded": open,
            "aria-controls": id,
            "aria-label": (open ? "Hide why " : "Why ") + item.title + ": " + item.word,
            title: item.because,
            onClick: function () {
              state[1](!open);
            },
          },
          h("svg", { viewBox: "0 0 16 16", "aria-hidden": true }, h("path", { d: "M6 3.5 10.5 8 6 12.5" }))
        ),
        h(
          "span",
          { className: "title" },
          h(S.Link, { href: item.href }, item.title),
          h(
            "span",
            { className: "under" },
            item.tags.map(function (tag) {
              return h(S.Tag, { key: tag.text, kind: tag.kind, title: tag.title }, tag.text);
            }),
            item.under ? h("span", null, item.under) : null,
            item.whole ? h(Whole, { whole: S.shown(item.whole, props.now) }) : null
          )
        ))
      ),
      h("td", { role: "cell", className: "c-owner" }, h(S.Person, { person: item.owner })),
      h("td", { role: "cell", className: "c-value" }, h(S.Number, { item: item }), h(S.HeadingFor, { item: item })),
      h("td", { role: "cell", className: "c-target" }, item.target ? h("span", { title: item.target.title }, item.target.text) : h("span", { className: "faint" }, "no target")),
      h("td", { role: "cell", className: "c-change" }, h(S.Change, { change: item.change })),
      h("td", { role: "cell", className: "c-spark" }, h(S.Sparkline, { spark: item.spark, now: props.now })),
      h("td", { role: "cell", className: "c-status" }, h(S.Chip, { item: item }))
    );
    const why = open ? h("tr", { role: "row", className: "why-row " + item.status }, h("td", { role: "cell", colSpan: 7 }, h(Details, { item: item, id: id }))) : null;
    return h(window.React.Fragment, null, row, why);
  };

  S.Group = function (props) {
    const group = props.group;
    const heads = ["Indicator", "Owner", "Value", "Target", group.versus, group.span, "Status"];
    const classes = ["c-name", "c-owner", "c-value", "c-target", "c-change", "c-spark", "c-status"];
    return h(
      "section",
      { className: "card group", "aria-labelledby": "group-" + group.role },
      h("header", null, h("h2", { id: "group-" + group.role }, group.title), h("p", null, group.hint)),
      h(
        "table",
        { role: "table", className: "scorecard", "aria-labelledby": "group-" + group.role },
        h(
          "thead",
          { role: "rowgroup" },
          h(
            "tr",
            { role: "row" },
            heads.map(function (head, index) {
              return h("th", { key: head, role: "columnheader", scope: "col", className: classes[index] }, head);
            })
          )
        ),
        h(
          "tbody",
          { role: "rowgroup" },
          group.rows.map(function (item) {
            return h(S.Row, { key: item.key, item: item, now: props.now });
          })
        )
      ),
      h(S.Legend, { thin: group.rows.some(function (item) { return S.shown(item, props.now).thin; }) })
    );
  };

  function Fact(props) {
    return h("div", { className: "fact" + (props.kind ? " " + props.kind : "") }, h("dt", null, props.term), h("dd", null, props.children));
  }

  function ProcessCard(props) {
    const card = props.card;
    return h(
      "section",
      { className: "card process-card", "aria-label": "Process" },
      h(
        "dl",
        null,
        h(Fact, { term: "Owner" }, h(S.Person, { person: card.owner, linked: true })),
        card.process
          ? h(
              Fact,
              { term: "Deputy", kind: card.deputy ? "" : "missing" },
              card.deputy ? h(S.Person, { person: card.deputy, linked: true }) : h("span", null, h(S.Shape, { status: "amber" }), "Nobody: single point of failure")
            )
          : null,
        card.process
          ? h(
              Fact,
              { term: "Procedure", kind: card.sop ? "" : "missing" },
              card.sop ? h(S.Link, { href: card.sop.href, className: "sop" }, card.sop.text) : h("span", null, h(S.Shape, { status: "amber" }), "Not written down")
            )
          : null,
        card.reviewed ? h(Fact, { term: "Procedure reviewed", kind: card.reviewed.overdue ? "overdue" : "" }, card.reviewed.overdue ? h(S.Shape, { status: "amber" }) : null, card.reviewed.text) : null,
        card.parent ? h(Fact, { term: card.parent.term }, h(S.Link, { href: card.parent.href }, card.parent.text)) : null
      )
    );
  }
  S.Fact = Fact;

  S.CardLink = function (props) {
    const card = props.card;
    const rolled = S.tally(card.marks, props.now);
    return h(
      S.Link,
      { href: card.href, className: "cardlink " + rolled.worst },
      h("span", { className: "cardlink-top" }, h(S.Shape, { status: rolled.worst }), h("b", null, card.title), h("span", { className: "kind" }, card.kind)),
      h(S.CountBar, { counts: rolled.counts }),
      h("span", { className: "cardlink-end" }, card.marks.length ? h(S.Counts, { counts: rolled.counts, small: true }) : h("span", { className: "faint" }, "no metrics yet"), card.owner ? h("span", { className: "faint" }, card.owner) : null)
    );
  };

  S.pages = S.pages || {};
  S.pages.scorecard = function (props) {
    const body = props.page.body;
    return h(
      window.React.Fragment,
      null,
      body.card.process ? h(ProcessCard, { card: body.card }) : null,
      body.children.length
        ? h(
            "nav",
            { className: "cardlinks", "aria-label": "Scorecards below" },
            body.children.map(function (card) {
              return h(S.CardLink, { key: card.href, card: card, now: props.now });
            })
          )
        : null,
      body.groups.map(function (group) {
        return h(S.Group, { key: group.role, group: group, now: props.now });
      }),
      body.empty ? h(S.Empty, body.empty) : null
    );
  };
})();
