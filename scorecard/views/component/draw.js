/* The small parts every page is made of: shapes, chips, counts, links, people, values, arrows. */
(function () {
  "use strict";
  const S = (window.scorecard_views = window.scorecard_views || {});
  const h = function () {
    return S.h.apply(null, arguments);
  };

  const WORDS = { red: "Off target", amber: "Watch", grey: "No data", green: "On target", neutral: "No target" };
  const COUNTED = { red: "off target", amber: "to watch", grey: "unknown", green: "on target", neutral: "no target" };
  S.WORDS = WORDS;

  /* Shape says the same as colour and word: circle, triangle, octagon, diamond, broken ring. */
  const SHAPES = {
    green: [["circle", { cx: 8, cy: 8, r: 7 }], ["path", { d: "M4.6 8.3l2.3 2.3 4.5-4.9", className: "mark" }]],
    amber: [["path", { d: "M8 1.2 15.3 14.4H.7z" }], ["path", { d: "M8 5.8v4.2M8 12.1v.2", className: "mark" }]],
    red: [["path", { d: "M5.1 1h5.8L15 5.1v5.8L10.9 15H5.1L1 10.9V5.1z" }], ["path", { d: "M5.6 5.6l4.8 4.8M10.4 5.6l-4.8 4.8", className: "mark" }]],
    neutral: [["path", { d: "M8 1.2 14.8 8 8 14.8 1.2 8z", className: "open" }]],
    grey: [["circle", { cx: 8, cy: 8, r: 6.3, className: "broken" }]],
  };
  S.Shape = function (props) {
    const parts = SHAPES[props.status].map(function (part, index) {
      return h(part[0], Object.assign({ key: index }, part[1]));
    });
    const thin = props.thin && props.status !== "grey";
    const hatched = thin ? { style: { fill: "url(#thin-" + props.status + ")" } } : {};
    return h("svg", Object.assign({ className: "shape " + props.status + (thin ? " thin" : ""), viewBox: "0 0 16 16", "aria-hidden": true, focusable: "false" }, hatched), parts);
  };

  /* One pattern per colour, for what is not conclusive: stripes say it without any colour. Drawn once on every page. */
  S.Hatches = function () {
    return h(
      "svg",
      { className: "hatches", width: 0, height: 0, "aria-hidden": true, focusable: "false" },
      h(
        "defs",
        null,
        ["red", "amber", "green", "neutral"].map(function (status) {
          return h(
            "pattern",
            { key: status, id: "thin-" + status, className: status, patternUnits: "userSpaceOnUse", width: 4, height: 4, patternTransform: "rotate(45)" },
            h("rect", { className: "bed", width: 4, height: 4 }),
            h("rect", { className: "stripe", width: 1.7, height: 4 })
          );
        })
      )
    );
  };

  /* What the stripes mean, wherever some are on the page. */
  S.Legend = function (props) {
    if (!props.thin) return null;
    return h("p", { className: "legend" }, h("i", { className: "swatch", "aria-hidden": true }), "Hatched: not conclusive, so few observations that chance alone could turn the colour");
  };

  const PERSON = "M8 8.2a3 3 0 1 0 0-6 3 3 0 0 0 0 6zm-5.6 6.2c.3-3 2.6-4.7 5.6-4.7s5.3 1.7 5.6 4.7z";

  /* A small person where somebody's word stands instead of the judged colour. */
  S.By = function (props) {
    if (!props.by) return null;
    return h(
      window.React.Fragment,
      null,
      h("svg", { className: "by", viewBox: "0 0 16 16", "aria-hidden": true, focusable: "false" }, h("path", { d: PERSON })),
      h("span", { className: "unseen" }, ", set by " + props.by)
    );
  };

  S.Chip = function (props) {
    const item = props.item;
    return h(
      "span",
      { className: "chip " + item.status + (item.thin ? " thin" : "") + (item.by ? " said" : ""), "data-reason": item.reason },
      h(S.Shape, { status: item.status, thin: item.thin }),
      h("span", { className: "word" }, item.word || WORDS[item.status]),
      item.thin ? h("span", { className: "unseen" }, ", not conclusive") : null,
      h(S.By, { by: item.by })
    );
  };

  /* Counts of each colour; never an average. */
  S.Counts = function (props) {
    const counts = props.counts;
    const seen = S.ORDER.filter(function (status) {
      return counts[status] > 0;
    });
    return h(
      "ul",
      { className: "counts" + (props.small ? " small" : ""), "aria-label": "Metrics by status" },
      seen.map(function (status) {
        return h(
          "li",
          { key: status, className: "count " + status },
          h(S.Shape, { status: status }),
          h("b", null, counts[status]),
          props.small ? h("span", { className: "unseen" }, " " + COUNTED[status]) : h("span", null, " " + COUNTED[status])
        );
      })
    );
  };

  /* The same counts as one bar, so that many scorecards can be compared at a glance. */
  S.CountBar = function (props) {
    const total = S.ORDER.reduce(function (sum, status) {
      return sum + props.counts[status];
    }, 0);
    if (!total) return null;
    return h(
      "div",
      { className: "countbar", "aria-hidden": true },
      S.ORDER.filter(function (status) {
        return props.counts[status];
      }).map(function (status) {
        return h("i", { key: status, className: status, style: { flexGrow: props.counts[status] } });
      })
    );
  };

  S.Link = function (props) {
    const href = S.safeLink(props.href);
    if (!href) return h("span", { className: props.className }, props.children);
    const away = !S.isOurs(href);
    const attributes = { href: href, className: props.className, title: props.title, "aria-label": props.label, "aria-current": props.current };
    if (away && href.slice(0, 7) !== "mailto:") {
      attributes.target = "_blank";
      attributes.rel = "noopener noreferrer";
    }
    return h("a", attributes, props.children);
  };

  S.Person = function (props) {
    const person = props.person;
    if (!person) return h("span", { className: "nobody" }, "No owner");
    const name = h("span", { className: "name" }, person.name);
    return h(
      "span",
      { className: "person" },
      h("span", { className: "avatar", "aria-hidden": true }, person.initials),
      person.mail && props.linked ? h(S.Link, { href: person.mail }, person.name) : name
    );
  };

  /* A number that flashes softly when it changes under the reader's eyes, never when the page is turned. */
  S.Live = function (props) {
    const before = window.React.useRef({ text: props.text, of: props.of });
    const count = window.React.useRef(0);
    if (before.current.of !== props.of) count.current = 0;
    else if (before.current.text !== props.text) count.current += 1;
    before.current = { text: props.text, of: props.of };
    return h("span", { key: count.current, className: (props.className || "") + (count.current ? " changed" : "") }, props.children || props.text);
  };

  S.Number = function (props) {
    const item = props.item;
    if (item.number === null) return h("span", { className: "number none" }, h("span", { "aria-hidden": true }, "–"), h("span", { className: "unseen" }, "no value"));
    return h(
      S.Live,
      { className: "number", text: item.number + item.unit, of: item.key },
      h("span", { className: "digits" }, item.number),
      item.unit ? h("span", { className: "unit" + (item.tight ? " tight" : "") }, item.unit) : null
    );
  };

  /* Where a running period is heading, and between what it ends nine times of ten. */
  S.HeadingFor = function (props) {
    const item = props.item;
    if (!item.heading) return null;
    return h("span", { className: "heading-for" }, item.heading, item.range ? h("span", { className: "heading-range", title: "It ends in this range nine times of ten" }, " (" + item.range + ")") : null);
  };

  const ARROWS = { up: "M8 13.5V3M3.6 7.2 8 2.8l4.4 4.4", down: "M8 2.5V13M3.6 8.8 8 13.2l4.4-4.4", flat: "M2.5 8h10.4M9 4l4 4-4 4" };
  S.Change = function (props) {
    const change = props.change;
    if (!change) return h("span", { className: "change none", "aria-label": "nothing to compare with" }, "–");
    return h(
      "span",
      { className: "change " + change.sense, title: change.title },
      h("svg", { viewBox: "0 0 16 16", "aria-hidden": true, focusable: "false" }, h("path", { d: ARROWS[change.arrow] })),
      h("span", { "aria-hidden": true }, change.text),
      h("span", { className: "unseen" }, change.title)
    );
  };

  S.Tag = function (props) {
    return h("span", { className: "tag " + (props.kind || ""), title: props.title }, props.children);
  };

  S.Age = function (props) {
    S.useTicker(props.ms ? props.every || 1000 : 0);
    if (!props.ms) return h("span", { className: "age" }, props.never || "never");
    return h("time", { className: "age", dateTime: new Date(props.ms).toISOString() }, S.ago((S.now() - props.ms) / 1000) + (props.plain ? "" : " ago"));
  };

  S.Empty = function (props) {
    return h("div", { className: "empty" }, h("h2", null, props.title), h("p", null, props.text), props.children);
  };

  S.Notices = function (props) {
    if (!props.notices || !props.notices.length) return null;
    return h(
      "section",
      { className: "notices", role: "alert", "aria-label": "Problems" },
      h("h2", null, h(S.Shape, { status: "amber" }), props.notices.length === 1 ? "One problem" : props.notices.length + " problems"),
      h(
        "ul",
        null,
        props.notices.map(function (notice, index) {
          return h(
            "li",
            { key: index, className: notice.severity },
            notice.place ? h("code", null, notice.place) : null,
            h("span", null, notice.message),
            notice.hint ? h("em", null, notice.hint) : null,
            notice.href ? h(S.Link, { href: notice.href }, "Decide on Data") : null
          );
        })
      )
    );
  };
})();
