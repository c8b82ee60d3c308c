/* The list of metrics with its filter, and the page of one metric: chart, readings, definition, SQL, slices, notes. */
(function () {
  "use strict";
  const S = (window.scorecard_views = window.scorecard_views || {});
  const h = function () {
    return S.h.apply(null, arguments);
  };
  S.pages = S.pages || {};

  S.pages.metrics = function (props) {
    const React = window.React;
    const group = props.page.body.group;
    const words = React.useState("");
    const only = React.useState(null);
    if (!group) return h(S.Empty, { title: "No metrics yet", text: "Ten lines in metrics.yaml make the first one." });
    const wanted = words[0].toLowerCase().split(/\s+/).filter(Boolean);
    const rows = group.rows.filter(function (item) {
      const status = S.shown(item, props.now).status;
      return (
        (only[0] === null || only[0] === status) &&
        wanted.every(function (word) {
          return item.words.indexOf(word) >= 0;
        })
      );
    });
    return h(
      React.Fragment,
      null,
      h(
        "form",
        {
          className: "filter",
          role: "search",
          onSubmit: function (event) {
            event.preventDefault();
          },
        },
        h("input", {
          type: "search",
          value: words[0],
          placeholder: "Find by name, owner, team, process, tag or source",
          "aria-label": "Find metrics",
          onChange: function (event) {
            words[1](event.target.value);
          },
        }),
        h(
          "span",
          { className: "segments", role: "group", "aria-label": "Status" },
          [null].concat(S.ORDER).map(function (status) {
            return h(
              "button",
              {
                key: status || "all",
                type: "button",
                "aria-pressed": only[0] === status,
                onClick: function () {
                  only[1](status);
                },
              },
              status ? h(S.Shape, { status: status }) : null,
              status ? S.WORDS[status] : "All"
            );
          })
        )
      ),
      rows.length ? h(S.Group, { group: Object.assign({}, group, { rows: rows, hint: rows.length + " of " + group.rows.length }), now: props.now }) : h(S.Empty, { title: "Nothing matches", text: "No metric has these words and this status." })
    );
  };

  function Readings(props) {
    const state = window.React.useState(13);
    const all = props.readings;
    const zeroes = all.some(function (line) {
      return line.n !== null;
    });
    return h(
      "section",
      { className: "card readings", "aria-labelledby": "readings" },
      h("header", null, h("h2", { id: "readings" }, "Readings"), h("p", null, "newest first")),
      h(
        "div",
        { className: "scroll", tabIndex: 0, role: "region", "aria-labelledby": "readings" },
        h(
          "table",
          { className: "plain" },
          h("thead", null, h("tr", null, h("th", { scope: "col" }, "Period"), h("th", { scope: "col", className: "right" }, "Value"), h("th", { scope: "col", className: "right" }, "Target"), h("th", { scope: "col", className: "right" }, "vs previous"), zeroes ? h("th", { scope: "col", className: "right" }, "n") : null, h("th", { scope: "col" }, "Status"))),
          h(
            "tbody",
            null,
            all.slice(0, state[0]).map(function (raw) {
              const line = S.shown(raw, props.now);
              return h(
                "tr",
                { key: line.period, className: line.status + (line.thin ? " thin" : ""), "data-period": line.period },
                h("th", { scope: "row" }, h("b", null, line.period), h("span", { className: "faint" }, line.dates), line.running ? h(S.Tag, { kind: "running" }, "running") : line.provisional ? h(S.Tag, { kind: "running" }, "provisional") : null, line.tags.filter(function (tag) { return tag.kind === "restated"; }).map(function (tag) { return h(S.Tag, { key: tag.text, kind: tag.kind, title: tag.title }, tag.text); })),
                h("td", { className: "right strong" }, h(S.Live, { text: line.text, of: props.of + line.period })),
                h("td", { className: "right" }, line.target || "–"),
                h("td", { className: "right" }, h(S.Change, { change: line.change })),
                zeroes ? h("td", { className: "right faint" }, line.n || "–") : null,
                h("td", { title: line.because }, h(S.Chip, { item: line }))
              );
            })
          )
        )
      ),
      all.length > state[0]
        ? h(
            "button",
            {
              className: "quiet",
              onClick: function () {
                state[1](all.length);
              },
            },
            "Show all " + all.length
          )
        : null
    );
  }

  function remembered(value) {
    try {
      if (value === undefined) return window.localStorage.getItem("scorecard-name") || "";
      window.localStorage.setItem("scorecard-name", value);
    } catch (refused) {
      return "";
    }
    return value;
  }

  function NoteForm(props) {
    const React = window.React;
    const about = props.about;
    const text = React.useState("");
    const by = React.useState(remembered);
    const period = React.useState(about.period);
    const state = React.useState({ busy: false, problem: null, done: false });
    React.useEffect(
      function () {
        period[1](about.period);
      },
      [about.period]
    );
    function send(event) {
      event.preventDefault();
      if (state[0].busy) return;
      state[1]({ busy: true, problem: null, done: false });
      remembered(by[0]);
      fetch("/api/v1/notes", {
        method: "POST",
        credentials: "same-origin",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ metric: about.metric, grain: about.grain, period: period[0], slice: about.slice, text: text[0].trim(), by: by[0].trim() }),
      })
        .then(function (answer) {
          return answer
            .json()
            .catch(function () {
              return {};
            })
            .then(function (said) {
              if (answer.status === 201) return said;
              const error = said.error || {};
              throw new Error((error.message || "The note was not kept: the server answered " + answer.status) + (error.hint ? ". " + error.hint : ""));
            });
        })
        .then(
          function () {
            text[1]("");
            state[1]({ busy: false, problem: null, done: true });
            props.ask();
          },
          function (error) {
            const unreached = error instanceof TypeError;
            state[1]({ busy: false, problem: unreached ? "The server could not be reached. Your note is still here: try again." : error.message, done: false });
          }
        );
    }
    return h(
      "form",
      { className: "note-form", onSubmit: send },
      h("label", null, h("span", null, "What happened, and why"), h("textarea", { value: text[0], rows: 3, required: true, maxLength: 4000, onChange: function (e) { text[1](e.target.value); } })),
      h(
        "div",
        { className: "note-line" },
        h("label", null, h("span", null, "Period"), h("select", { value: period[0], onChange: function (e) { period[1](e.target.value); } }, (about.periods.indexOf(about.period) < 0 ? [about.period] : []).concat(about.periods).map(function (p) { return h("option", { key: p }, p); }))),
        h("label", null, h("span", null, "Your name"), h("input", { value: by[0], required: true, maxLength: 200, autoComplete: "name", onChange: function (e) { by[1](e.target.value); } })),
        h("button", { type: "submit", className: "primary", disabled: state[0].busy || !text[0].trim() || !by[0].trim() }, state[0].busy ? "Keeping…" : "Add the note")
      ),
      h("p", { className: "note-said", role: "status" }, state[0].problem ? h("b", null, state[0].problem) : state[0].done ? "Kept." : "Notes are never edited or deleted, only followed by others.")
    );
  }

  function Notes(props) {
    return h(
      "section",
      { className: "card notes", "aria-labelledby": "notes" },
      h("header", null, h("h2", { id: "notes" }, "Notes"), h("p", null, props.notes.length ? "" : "nobody has written any yet")),
      h(
        "ol",
        null,
        props.notes.map(function (note) {
          return h("li", { key: note.id }, h("p", null, note.text), h("span", { className: "faint" }, [note.by, note.at, note.period, note.about].filter(Boolean).join(" · ")));
        })
      ),
      h(NoteForm, { about: props.about, ask: props.ask })
    );
  }

  function Code(props) {
    return h("pre", { tabIndex: 0 }, h("code", null, props.children));
  }

  S.pages.metric = function (props) {
    const body = props.page.body;
    const item = S.shown(body.row, props.now);
    return h(
      window.React.Fragment,
      null,
      h(
        "section",
        { className: "card hero " + item.status + (item.thin ? " thin" : ""), "data-status": item.status, "aria-label": "The shown period" },
        h(
          "div",
          { className: "hero-value" },
          h(S.Chip, { item: item }),
          h(S.Number, { item: item }),
          h(S.HeadingFor, { item: item }),
          h("p", { className: "because" }, item.because),
          h(
            "p",
            { className: "hero-tags" },
            item.tags.map(function (tag) {
              return h(S.Tag, { key: tag.text, kind: tag.kind, title: tag.title }, tag.text);
            })
          )
        ),
        h(
          "dl",
          { className: "hero-facts" },
          h(S.Fact, { term: "Owner" }, h(S.Person, { person: body.owner, linked: true })),
          h(S.Fact, { term: "vs previous" }, h(S.Change, { change: item.change })),
          item.facts.map(function (fact) {
            return h(S.Fact, { key: fact[0], term: fact[0] }, fact[1]);
          })
        )
      ),
      h("section", { className: "card chart-card", role: "group", "aria-label": body.caption }, h("div", { className: "chart-slot" + (body.nothing ? " nothing" : "") }, body.nothing ? h("p", null, body.nothing) : props.chart), h("p", { className: "unseen" }, "The table below has the same numbers.")),
      h(
        "div",
        { className: "two" },
        h("div", null, h(Readings, { readings: body.readings, now: props.now, of: body.row.key }), body.slices.length ? h(S.Group, { group: { role: "slices", title: "Slices", hint: "the same measure, part by part, worst first", versus: "vs previous", span: "13 periods", rows: body.slices }, now: props.now }) : null),
        h(
          "div",
          null,
          h(Notes, { notes: body.notes, about: body.note, ask: props.ask }),
          h(
            "section",
            { className: "card about", "aria-labelledby": "about" },
            h("header", null, h("h2", { id: "about" }, "Definition"), body.place ? h("p", null, body.place) : null),
            h(
              "dl",
              null,
              body.about.map(function (fact) {
                const text = fact.links
                  ? fact.links.map(function (link) {
                      return h(S.Link, { key: link.href, href: link.href }, link.text);
                    })
                  : fact.href
                    ? h(S.Link, { href: fact.href }, fact.text)
                    : fact.text;
                return h(S.Fact, { key: fact.term, term: fact.term }, text);
              })
            ),
            body.definition ? h(Code, null, body.definition) : null,
            body.sql.length
              ? h(
                  "details",
                  null,
                  h("summary", null, body.sql.length === 1 ? "The SQL it becomes" : "The " + body.sql.length + " SQL statements it becomes"),
                  body.sql.map(function (statement, index) {
                    return h(Code, { key: index }, statement);
                  })
                )
              : null
          )
        )
      )
    );
  };
})();
