/* Loads that wait for a person, generations that can be put back, and the dialogue that asks who decides and why. */
(function () {
  "use strict";
  const S = (window.scorecard_views = window.scorecard_views || {});
  const h = function () {
    return S.h.apply(null, arguments);
  };

  function remembered(value) {
    try {
      if (value === undefined) return window.localStorage.getItem("scorecard-name") || "";
      window.localStorage.setItem("scorecard-name", value);
    } catch (refused) {
      return value || "";
    }
    return value;
  }

  function send(address, body) {
    return fetch(address, { method: "POST", credentials: "same-origin", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }).then(function (answer) {
      return answer
        .json()
        .catch(function () {
          return {};
        })
        .then(function (said) {
          if (answer.ok) return said;
          const error = said.error || {};
          throw new Error((error.message || "The server answered " + answer.status) + (error.hint ? ". " + error.hint : ""));
        });
    });
  }

  function Labelled(props) {
    return h("label", null, h("span", null, props.label), props.children);
  }

  /* One decision: what will happen in a sentence, who, why. It keeps what was typed until it is sent or closed. */
  function Dialogue(props) {
    const React = window.React;
    const it = props.deed;
    const box = React.useRef(null);
    const by = React.useState(remembered);
    const why = React.useState("");
    const state = React.useState({ busy: false, problem: null });
    React.useEffect(function () {
      const dialog = box.current;
      if (dialog && !dialog.open) dialog.showModal();
    }, []);
    function submit(event) {
      event.preventDefault();
      if (state[0].busy) return;
      state[1]({ busy: true, problem: null });
      remembered(by[0].trim());
      send(it.address, Object.assign({ by: by[0].trim(), why: why[0].trim() }, it.also)).then(
        function () {
          props.close();
          props.ask();
        },
        function (error) {
          state[1]({ busy: false, problem: error instanceof TypeError ? "The server could not be reached; nothing is decided. Try again." : error.message });
        }
      );
    }
    return h(
      "dialog",
      { ref: box, className: "decide", "aria-labelledby": "decide-title", onClose: props.close },
      h(
        "form",
        { onSubmit: submit },
        h("h2", { id: "decide-title" }, it.title),
        h("p", null, it.text),
        h(Labelled, { label: "Your name" }, h("input", { value: by[0], required: true, maxLength: 100, autoComplete: "name", autoFocus: !by[0], onChange: function (e) { by[1](e.target.value); } })),
        h(Labelled, { label: "Why" }, h("textarea", { value: why[0], rows: 3, required: true, maxLength: 4000, autoFocus: !!by[0], onChange: function (e) { why[1](e.target.value); } })),
        h("p", { className: "note-said", role: "status" }, state[0].problem ? h("b", null, state[0].problem) : "Name and reason go into the journal."),
        h(
          "div",
          { className: "deeds" },
          h("button", { type: "button", className: "secondary", onClick: props.close }, "Cancel"),
          h("button", { type: "submit", className: "primary", disabled: state[0].busy || !by[0].trim() || !why[0].trim() }, state[0].busy ? "Deciding…" : it.verb)
        )
      )
    );
  }

  function Hold(props) {
    const hold = props.hold;
    return h(
      "div",
      { className: "hold", "data-load": hold.load },
      h("p", null, h("b", null, "Load " + hold.load + " waits for you"), h("span", { className: "faint" }, " · pulled ", h("span", { title: hold.at_text }, h(S.Age, { ms: hold.at })), " · " + hold.counts)),
      h(
        "ul",
        null,
        hold.reasons.map(function (reason) {
          return h("li", { key: reason }, reason);
        })
      ),
      hold.moves.length
        ? h(
            "table",
            { className: "moves" },
            h("caption", null, "Numbers it would move"),
            h(
              "tbody",
              null,
              hold.moves.map(function (move) {
                return h("tr", { key: move.href + move.where }, h("th", { scope: "row" }, h(S.Link, { href: move.href }, move.title)), h("td", { className: "faint" }, move.where), h("td", { className: "right" }, move.text));
              })
            )
          )
        : null,
      hold.more ? h("p", { className: "faint" }, "and " + hold.more + " more") : null,
      h("div", { className: "deeds" }, h("button", { className: "secondary", onClick: props.reject }, "Reject"), h("button", { className: "primary", onClick: props.approve }, "Approve"))
    );
  }

  function Kept(props) {
    return h(
      "details",
      { className: "kept" },
      h("summary", null, props.shelf),
      h(
        "table",
        { className: "plain" },
        h("thead", null, h("tr", null, h("th", { scope: "col" }, "Load"), h("th", { scope: "col" }, "Shown until"), h("th", { scope: "col", className: "right" }, "Rows"), h("th", { scope: "col", className: "right faint" }, "Takes"), h("th", null))),
        h(
          "tbody",
          null,
          props.kept.map(function (one) {
            return h(
              "tr",
              { key: one.generation },
              h("th", { scope: "row" }, one.load === null ? "–" : one.load),
              h("td", null, one.until),
              h("td", { className: "right" }, one.rows),
              h("td", { className: "right faint" }, one.size),
              h("td", { className: "right" }, one.load === null ? null : h("button", { className: "secondary small", onClick: function () { props.back(one); } }, "Put back"))
            );
          })
        )
      )
    );
  }

  S.Holds = function (props) {
    const source = props.source;
    const deed = window.React.useState(null);
    const hold = source.hold;
    function ask(title, verb, text, address, also) {
      return function () {
        deed[1]({ title: title, verb: verb, text: text, address: address, also: also || {} });
      };
    }
    const load = hold ? "/api/v1/loads/" + hold.load : "";
    return h(
      window.React.Fragment,
      null,
      source.pinned && !hold ? h("p", { className: "pinned" }, source.pinned) : null,
      hold
        ? h(Hold, {
            hold: hold,
            approve: ask("Approve load " + hold.load + " of " + source.name, "Approve", "Exactly the rows that were staged are published, whatever the source says by now.", load + "/approve"),
            reject: ask("Reject load " + hold.load + " of " + source.name, "Reject", "Its rows are dropped, and the last good load stays. The same rows are not staged again by the schedule.", load + "/reject"),
          })
        : null,
      source.shelf
        ? h(Kept, {
            shelf: source.shelf,
            kept: source.kept,
            back: function (one) {
              ask("Put back what load " + one.load + " of " + source.name + " made", "Put back", "The table becomes what it was until " + one.until + ". Further loads wait until one is approved, and this can be taken back too.", "/api/v1/sources/" + encodeURIComponent(source.name) + "/rollback", { to: one.load })();
            },
          })
        : null,
      source.raw ? h("p", { className: "faint" }, source.raw) : null,
      deed[0]
        ? h(Dialogue, {
            key: deed[0].address,
            deed: deed[0],
            ask: props.ask,
            close: function () {
              deed[1](null);
            },
          })
        : null
    );
  };
})();
