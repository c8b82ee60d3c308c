/* The organisation: exceptions first, then every scorecard worst first, then what processes lack. Also: pages that are not there. */
(function () {
  "use strict";
  const S = (window.scorecard_views = window.scorecard_views || {});
  const h = function () {
    return S.h.apply(null, arguments);
  };
  S.pages = S.pages || {};

  function Exception(props) {
    const item = S.shown(props.item, props.now);
    return h(
      "li",
      { className: "exception " + item.status, "data-metric": item.metric, "data-status": item.status },
      h("div", { className: "exception-what" }, h(S.Link, { href: item.href, className: "title" }, item.title), h("p", null, item.because)),
      h("div", { className: "exception-spark" }, h(S.Sparkline, { spark: item.spark, now: props.now })),
      h("div", { className: "exception-value" }, h(S.Number, { item: item }), h("span", { className: "faint" }, item.target ? item.target.text : "no target")),
      h("div", { className: "exception-who" }, h(S.Person, { person: item.owner }), h(S.Link, { href: item.card.href, className: "faint" }, item.card.text)),
      h("div", { className: "exception-chip" }, h(S.Chip, { item: item }))
    );
  }

  /* Red in full; amber and grey in one line each, opened on demand. */
  function Exceptions(props) {
    const group = props.group;
    const state = window.React.useState(group.role === "red" ? 1 : 0);
    const open = state[0] === 1;
    const id = "exceptions-" + group.role;
    return h(
      "section",
      { className: "card exceptions " + group.role + (open ? " open" : ""), "aria-labelledby": id },
      h(
        "header",
        null,
        h(
          "button",
          {
            "aria-expanded": open,
            onClick: function () {
              state[1](open ? 0 : 1);
            },
          },
          h(S.Shape, { status: group.role }),
          h("h2", { id: id }, group.title),
          h("span", { className: "faint" }, group.hint),
          h("svg", { className: "turn", viewBox: "0 0 16 16", "aria-hidden": true }, h("path", { d: "M6 3.5 10.5 8 6 12.5" }))
        )
      ),
      open
        ? h(
            "ul",
            null,
            group.rows.map(function (item) {
              return h(Exception, { key: item.key, item: item, now: props.now });
            })
          )
        : h(
            "p",
            { className: "in-short" },
            group.rows.map(function (item) {
              return h(S.Link, { key: item.key, href: item.href }, item.title);
            })
          )
    );
  }

  function Branch(props) {
    const card = props.card;
    const rolled = S.tally(card.marks, props.now);
    return h(
      S.Link,
      { href: card.href, className: "branch level-" + card.level },
      h(S.Shape, { status: rolled.worst }),
      h("span", { className: "branch-title" }, card.title, h("span", { className: "kind" }, card.kind)),
      h("span", { className: "faint branch-owner" }, card.owner),
      card.marks.length ? h(S.Counts, { counts: rolled.counts, small: true }) : h("span", { className: "faint" }, "no metrics")
    );
  }

  /* Never greener than the worst that stands below it. */
  function Team(props) {
    const team = props.team;
    const own = S.tally(team.marks, props.now);
    const all = S.tallyDecks(
      [team.marks].concat(
        team.below.map(function (card) {
          return card.marks;
        })
      ),
      props.now
    );
    return h(
      "section",
      { className: "card team " + all.worst + (team.wide ? " wide" : ""), "data-status": all.worst },
      h("header", null, h(S.Shape, { status: all.worst }), h("h3", null, h(S.Link, { href: team.href }, team.title)), h("span", { className: "faint" }, team.owner)),
      team.marks.length ? h(S.CountBar, { counts: own.counts }) : null,
      team.marks.length ? h(S.Counts, { counts: own.counts }) : null,
      team.below.length
        ? h(
            "div",
            { className: "branches" },
            team.below.map(function (card) {
              return h(Branch, { key: card.href, card: card, now: props.now });
            })
          )
        : null
    );
  }

  function Foundations(props) {
    if (!props.items.length) return null;
    return h(
      "section",
      { className: "card foundations", "aria-label": "Foundations" },
      h("header", null, h("h2", null, "Foundations"), h("p", null, "what a process needs before it can grow")),
      h(
        "ul",
        null,
        props.items.map(function (item) {
          return h(
            "li",
            { key: item.title },
            h("b", null, h(S.Shape, { status: "amber" }), item.title),
            h("span", { className: "faint" }, item.hint),
            h(
              "span",
              { className: "links" },
              item.links.map(function (link) {
                return h(S.Link, { key: link.href, href: link.href }, link.text);
              })
            )
          );
        })
      )
    );
  }

  /* Status, title and sentence. That nothing is off target is good news only as far as something can be judged, and is fresh. */
  S.summary = function (marks, now, unloaded) {
    const counts = S.tally(marks, now).counts;
    const unknown = counts.grey === 1 ? "1 metric" : counts.grey + " metrics";
    if (counts.red || !marks.length) return null;
    if (counts.green + counts.amber) return ["green", "Nothing is off target.", counts.grey ? unknown + " cannot be judged." : "Every number that can be judged is on target or being watched."];
    if (counts.grey && unloaded && unloaded[0]) return ["grey", "Loading for the first time.", "Rows of " + (unloaded[1] - unloaded[0]) + " of " + unloaded[1] + " sources are here; numbers appear by themselves."];
    if (counts.grey) return ["grey", "Nothing can be judged.", unknown + " cannot be said in this period."];
    return ["neutral", "Nothing is judged.", "No number of this period has a target."];
  };

  function Summary(props) {
    const said = S.summary(props.marks, props.now, props.unloaded);
    return said ? h("p", { className: "clear card", "data-status": said[0] }, h(S.Shape, { status: said[0] }), h("b", null, said[1]), " " + said[2]) : null;
  }

  S.pages.organization = function (props) {
    const body = props.page.body;
    if (body.empty) return h(S.Empty, body.empty);
    return h(
      window.React.Fragment,
      null,
      h(Summary, { marks: body.judged, unloaded: body.unloaded, now: props.now }),
      body.exceptions.map(function (group) {
        return h(Exceptions, { key: group.role, group: group, now: props.now });
      }),
      body.teams.length ? h("h2", { className: "over" }, "Scorecards") : null,
      h(
        "div",
        { className: "teams" },
        body.teams.map(function (team) {
          return h(Team, { key: team.title, team: team, now: props.now });
        })
      ),
      body.groups.length && body.teams.length ? h("h2", { className: "over" }, "The organisation's own indicators") : null,
      body.groups.map(function (group) {
        return h(S.Group, { key: group.role, group: group, now: props.now });
      }),
      h(Foundations, { items: body.foundations })
    );
  };

  S.pages.missing = function (props) {
    const body = props.page.body;
    return h(
      "div",
      { className: "card missing" },
      h("p", null, body.text),
      body.hint ? h("p", { className: "faint" }, body.hint) : null,
      body.links.length
        ? h(
            "p",
            { className: "offers" },
            h("span", null, body.links.length > 1 ? "Did you mean " : "Go to "),
            body.links.map(function (link, index) {
              return h(window.React.Fragment, { key: link.href }, index ? h("span", null, index === 1 && body.links.length === 2 ? ", or go to " : ", ") : null, h(S.Link, { href: link.href }, link.text));
            })
          )
        : null
    );
  };

  S.pages.opening = function (props) {
    return h("div", { className: "card missing" }, h("div", { className: "pulse", "aria-hidden": true }), h("p", null, props.page.body.text));
  };
})();
