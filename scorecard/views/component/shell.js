/* The frame around every page: navigation, heading, counts, the pickers of period, grain and theme, and how live it is. */
(function () {
  "use strict";
  const S = (window.scorecard_views = window.scorecard_views || {});
  const h = function () {
    return S.h.apply(null, arguments);
  };

  S.Liveness = function (props) {
    const link = props.link;
    const page = props.page;
    S.useTicker(5000);
    if (link.state === "lost") {
      return h(
        "p",
        { className: "liveness lost", role: "alert" },
        h("i", { "aria-hidden": true }),
        h("b", null, "Disconnected since " + S.clockTime(link.since + (S.now() - Date.now()), page.timezone, false)),
        h("span", null, " trying again")
      );
    }
    if (link.state === "shut") return h("p", { className: "liveness lost", role: "alert" }, h("i", { "aria-hidden": true }), h("b", null, "You are no longer let in"), h("span", null, " load the page anew"));
    return h(
      "p",
      { className: "liveness " + link.state, title: "Version " + page.version + (link.state === "poll" ? ", asked for every 2 s" : "") },
      h("i", { "aria-hidden": true }),
      h("span", null, link.state === "waiting" ? "Connecting" : "Live"),
      h("span", { className: "faint" }, " · computed "),
      h(S.Age, { ms: page.as_of, every: 5000 })
    );
  };

  function Pick(props) {
    const choice = props.choice;
    if (!choice.href) return h("span", { className: "off " + (props.className || ""), "aria-hidden": !choice.text }, props.children);
    return h(S.Link, { href: choice.href, className: props.className, label: choice.text, title: choice.text }, props.children);
  }

  const LEFT = h1("M10 3 5 8l5 5");
  const RIGHT = h1("M6 3l5 5-5 5");
  function h1(d) {
    return function () {
      return h("svg", { viewBox: "0 0 16 16", "aria-hidden": true, focusable: "false" }, h("path", { d: d }));
    };
  }

  function PeriodPicker(props) {
    const when = props.when;
    return h(
      "nav",
      { className: "periods", "aria-label": "Period" },
      h(Pick, { choice: when.previous, className: "step" }, h(LEFT)),
      h("span", { className: "period", "aria-live": "polite" }, h("b", null, when.label), h("span", null, when.dates), when.running ? h(S.Tag, { kind: "running", title: "This period has not ended: its numbers still move" }, "running") : null),
      h(Pick, { choice: when.next, className: "step" }, h(RIGHT)),
      when.latest.href ? h(S.Link, { href: when.latest.href, className: "latest", title: when.latest.text }, "Latest") : null,
      when.newest.href ? h(S.Link, { href: when.newest.href, className: "latest", title: "The newest rows are of " + when.newest.text }, "Newest data") : null
    );
  }

  function Segments(props) {
    return h(
      "nav",
      { className: "segments " + (props.className || ""), "aria-label": props.label },
      props.choices.map(function (choice) {
        return h(S.Link, { key: choice.text, href: choice.href, current: choice.current ? "true" : undefined, label: choice.label }, choice.text);
      })
    );
  }

  function ThemeSwitch(props) {
    const dark = document.documentElement.getAttribute("data-theme") === "dark";
    const to = dark ? "light" : "dark";
    const icon = dark ? "M8 4.6a3.4 3.4 0 1 0 0 6.8 3.4 3.4 0 0 0 0-6.8M8 .8v1.6M8 13.6v1.6M.8 8h1.6M13.6 8h1.6M2.9 2.9 4 4M12 12l1.1 1.1M2.9 13.1 4 12M12 4l1.1-1.1" : "M13.6 9.9A6.1 6.1 0 0 1 6.1 2.4a6.1 6.1 0 1 0 7.5 7.5z";
    return h(S.Link, { href: props.themes[to], className: "theme", label: "Switch to the " + to + " theme", title: to === "dark" ? "Dark theme" : "Light theme" }, h("svg", { viewBox: "0 0 16 16", "aria-hidden": true }, h("path", { d: icon })));
  }

  S.Top = function (props) {
    const page = props.page;
    return h(
      "header",
      { className: "top" },
      h("a", { href: "#main", className: "skip" }, "Skip to the content"),
      h(S.Link, { href: page.home, className: "brand", label: page.organization + ", start page" }, h("svg", { viewBox: "0 0 20 20", "aria-hidden": true }, h("circle", { className: "green", cx: 5, cy: 14.5, r: 3.2 }), h("path", { className: "amber", d: "M10 6.6l3.4 6H6.6z" }), h("rect", { className: "red", x: 12.4, y: 2.2, width: 5.4, height: 5.4, rx: 1 })), h("span", null, page.organization)),
      h(
        "nav",
        { className: "main-nav", "aria-label": "Pages" },
        page.nav.map(function (item) {
          return h(S.Link, { key: item.text, href: item.href, current: item.current ? "page" : undefined }, item.text);
        })
      ),
      h(S.Liveness, { link: props.link, page: page }),
      h(ThemeSwitch, { themes: page.themes })
    );
  };

  S.Heading = function (props) {
    const page = props.page;
    const rolled = page.marks ? S.tally(page.marks, props.now) : page.decks ? S.tallyDecks(page.decks, props.now) : null;
    const card = page.kind === "scorecard" && !page.body.card.process ? page.body.card : null;
    return h(
      "div",
      { className: "heading" },
      page.crumbs.length
        ? h(
            "nav",
            { className: "crumbs", "aria-label": "Where this is" },
            page.crumbs.map(function (crumb) {
              return h(S.Link, { key: crumb.href, href: crumb.href }, crumb.text);
            })
          )
        : null,
      h(
        "div",
        { className: "heading-line" },
        h("h1", null, rolled && page.rolls ? h(S.Shape, { status: rolled.worst }) : null, page.title, rolled && page.rolls ? h("span", { className: "unseen" }, ": " + S.WORDS[rolled.worst]) : null),
        rolled && (!page.decks || page.decks.length) ? h("span", { className: "heading-counts" }, page.decks ? h("span", { className: "faint" }, "Scorecards") : null, h(S.Counts, { counts: rolled.counts })) : null
      ),
      page.lead ? h("p", { className: "lead" }, page.lead) : null,
      page.when || page.grains.length
        ? h(
            "div",
            { className: "pickers" },
            page.when ? h(PeriodPicker, { when: page.when }) : null,
            page.grains.length > 1 ? h(Segments, { label: "Grain", choices: page.grains }) : null,
            page.slices && page.slices.length > 1 ? h(Segments, { label: "Slice", className: "slices", choices: page.slices }) : null,
            card ? h("p", { className: "heading-owner" }, h("span", { className: "faint" }, "Owner"), h(S.Person, { person: card.owner, linked: true })) : null
          )
        : null
    );
  };

  S.Foot = function (props) {
    const page = props.page;
    return h("footer", { className: "foot" }, h("span", null, "Version " + page.version + " · computed " + S.dayTime(page.as_of, page.timezone) + " · times in " + page.timezone));
  };
})();
