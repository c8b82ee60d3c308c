/* The one Dash component. It asks for a page (prop `ask`), draws what comes (prop `page`), and keeps it true by itself. */
(function () {
  "use strict";
  const S = (window.scorecard_views = window.scorecard_views || {});
  const h = function () {
    return S.h.apply(null, arguments);
  };
  const ASK_AGAIN = 8000;

  function here() {
    return window.location.pathname + window.location.search;
  }

  /* The page that came with the document, so that the first numbers need no second question. */
  function firstPage() {
    const holder = document.getElementById("first-page");
    if (!holder) return null;
    const page = JSON.parse(holder.textContent);
    holder.remove();
    S.firstAddress = here();
    return page;
  }

  /* At most once a minute, should several servers of different builds answer in turn. */
  function reloadable() {
    try {
      const last = Number(window.sessionStorage.getItem("scorecard-reloaded")) || 0;
      window.sessionStorage.setItem("scorecard-reloaded", String(Date.now()));
      return Date.now() - last > 60000;
    } catch (refused) {
      return true;
    }
  }

  /* One question at a time; while one is out, only the newest wish is remembered. */
  function useAsking(props) {
    const React = window.React;
    const out = React.useRef({ number: 0, since: 0, again: false, address: null });
    const setProps = React.useRef(props.setProps);
    setProps.current = props.setProps;
    const ask = React.useCallback(function () {
      const now = Date.now();
      const it = out.current;
      if (it.since && now - it.since < ASK_AGAIN && it.address === here()) {
        it.again = true;
        return;
      }
      it.number += 1;
      it.since = now;
      it.again = false;
      it.address = here();
      setProps.current({ ask: { address: it.address, number: it.number, theme: document.documentElement.getAttribute("data-theme"), narrow: window.innerWidth < 700, scale: parseFloat(getComputedStyle(document.documentElement).fontSize) / 16 } });
    }, []);
    const answered = React.useCallback(
      function (page) {
        const it = out.current;
        if (page.number !== it.number) return;
        it.since = 0;
        if (it.again && S.newsThan(page.version)) ask();
      },
      [ask]
    );
    return { ask: ask, answered: answered, out: out };
  }

  /* Links inside the product turn the page without loading it anew. */
  function useNavigation(ask) {
    window.React.useEffect(
      function () {
        function turned() {
          ask();
        }
        function clicked(event) {
          if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
          const anchor = event.target.closest ? event.target.closest("a[href]") : null;
          const href = anchor && anchor.getAttribute("href");
          if (!href || anchor.target || anchor.hasAttribute("download") || !S.isOurs(href) || href.indexOf("/api/") === 0 || !S.safeLink(href)) return;
          event.preventDefault();
          if (href === here()) return;
          const samePath = href.split("?")[0] === window.location.pathname;
          window.history.pushState(null, "", href);
          if (!samePath) window.scrollTo(0, 0);
          ask();
        }
        document.addEventListener("click", clicked);
        window.addEventListener("popstate", turned);
        return function () {
          document.removeEventListener("click", clicked);
          window.removeEventListener("popstate", turned);
        };
      },
      [ask]
    );
  }

  function useTheme(page) {
    const React = window.React;
    const wish = new URLSearchParams(window.location.search).get("theme") || (page && page.body.theme);
    const media = window.matchMedia("(prefers-color-scheme: dark)");
    const theme = wish === "dark" || wish === "light" ? wish : media.matches ? "dark" : "light";
    if (document.documentElement.getAttribute("data-theme") !== theme) document.documentElement.setAttribute("data-theme", theme);
    const state = React.useState(0);
    React.useEffect(function () {
      const turn = function () {
        state[1](function (n) {
          return n + 1;
        });
      };
      media.addEventListener("change", turn);
      return function () {
        media.removeEventListener("change", turn);
      };
    }, []);
    return theme;
  }

  function Draw(props) {
    const page = props.page;
    S.useFreshness(page);
    const now = S.now();
    if (page.kind === "wall") return h(S.Wall, { page: page, link: props.link, now: now });
    const Body = S.pages[page.kind] || S.pages.missing;
    return h(
      "div",
      { className: "frame" },
      h(S.Top, { page: page, link: props.link }),
      h(
        "main",
        { id: "main", tabIndex: -1, className: "page of-" + page.kind, key: page.path },
        h(S.Alarms, { page: page }),
        h(S.Notices, { notices: page.notices }),
        h(S.Heading, { page: page, now: now }),
        h(Body, { page: page, now: now, chart: props.chart, ask: props.ask })
      ),
      h(S.Foot, { page: page })
    );
  }

  S.Page = function (props) {
    const React = window.React;
    const first = React.useState(firstPage)[0];
    const page = props.page || first;
    const seen = React.useRef(null);
    const asking = useAsking(props);
    if (page && seen.current !== page) {
      seen.current = page;
      S.setClock(page);
      S.stamp = "?v=" + page.build;
    }
    const link = S.useLive(page, asking.ask);
    useNavigation(asking.ask);
    useTheme(page);
    React.useEffect(function () {
      /* Only a metric's page needs more than what came with the document: its chart, and the colours of its theme. */
      if (!first || first.kind === "metric" || first.kind === "opening" || S.firstAddress !== here()) asking.ask();
      /* A lost answer must not silence a wall for good: an unanswered question is asked again while the server answers. */
      const guard = setInterval(function () {
        const it = asking.out.current;
        if (it.since && Date.now() - it.since > ASK_AGAIN && ["lost", "shut"].indexOf(S.linkState()) < 0) asking.ask();
      }, 2000);
      return function () {
        clearInterval(guard);
      };
    }, []);
    React.useEffect(
      function () {
        if (!page) return;
        document.title = page.tab;
        /* A new build of the product: everything is loaded anew, unless somebody is writing. */
        if (S.build && page.build !== S.build && !document.querySelector("textarea:focus") && reloadable()) window.location.reload();
        S.build = page.build;
        asking.answered(page);
        S.shownVersion = page.version;
      },
      [page]
    );
    if (!page) return h("div", { id: props.id, className: "opening", role: "status" }, h("span", { className: "unseen" }, "Loading the scorecard"));
    return h("div", { id: props.id, className: "root", "data-version": page.version, "data-link": link.state }, h(S.Hatches), h(Draw, { page: page, link: link, chart: props.children, ask: asking.ask }));
  };
})();
