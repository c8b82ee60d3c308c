/* A wall: fills the screen whatever its shape, turns through its screens, and says loudly when it cannot be trusted. */
(function () {
  "use strict";
  const S = (window.scorecard_views = window.scorecard_views || {});
  const h = function () {
    return S.h.apply(null, arguments);
  };

  /* How many tiles fit at five metres: the grid whose tiles come nearest to the best shape, none smaller than can be read. */
  function grid(count, width, height, lesser, embedded) {
    const smallest = embedded ? 230 : lesser * 0.37;
    let best = { columns: 1, rows: 1, tiles: 1, worth: -1 };
    for (let columns = 1; columns <= 4; columns += 1) {
      for (let rows = 1; rows <= 5; rows += 1) {
        const w = width / columns;
        const t = height / rows;
        if (columns * rows > 1 && (w < smallest || t < smallest)) continue;
        const shown = Math.min(count, columns * rows);
        const pages = Math.ceil(count / (columns * rows));
        const shape = w / t > 1.45 ? 1.45 / (w / t) : w / t / 1.45;
        const worth = shape * 1.2 + shown / (columns * rows) - (pages - 1) * 0.55;
        if (worth > best.worth) best = { columns: columns, rows: rows, tiles: columns * rows, worth: worth };
      }
    }
    return best;
  }

  function useSize() {
    const React = window.React;
    const state = React.useState({ width: window.innerWidth, height: window.innerHeight });
    React.useEffect(function () {
      function measure() {
        state[1]({ width: window.innerWidth, height: window.innerHeight });
      }
      window.addEventListener("resize", measure);
      return function () {
        window.removeEventListener("resize", measure);
      };
    }, []);
    return state[0];
  }

  /* What the wall must say about its data: the oldest load, what has missed its run, what has gone stale, and whose rows are old
     although it is loaded in time (with the oldest of their newest rows). */
  function health(sources, now) {
    let oldest = null;
    let newest = null;
    const late = [];
    const stale = [];
    const quiet = [];
    sources.forEach(function (source) {
      if (source.loaded !== null && (oldest === null || source.loaded < oldest)) oldest = source.loaded;
      const grace = source.next && source.loaded ? Math.max(60000, (source.next - source.loaded) * 0.5) : 60000;
      if (source.fresh !== null && now > source.fresh) stale.push(source.name);
      else if (source.loaded === null) stale.push(source.name);
      else if (source.quiet !== null && now > source.quiet) {
        quiet.push(source.name);
        if (newest === null || source.newest < newest) newest = source.newest;
      } else if (source.failed || (source.next !== null && now > source.next + grace)) late.push(source.name);
    });
    return { oldest: oldest, newest: newest, late: late, stale: stale, quiet: quiet };
  }

  function Health(props) {
    const page = props.page;
    S.useTicker(1000);
    const now = S.now();
    const state = health(page.body.sources, now);
    const lost = props.link.state === "lost" || props.link.state === "shut";
    const alarm = page.alarms && page.alarms[0];
    const kind = lost || ((state.stale.length || state.quiet.length) && !alarm) ? "loud" : alarm || state.late.length ? "late" : "fine";
    let words;
    if (props.link.state === "shut") words = [h("b", { key: "b" }, "This link no longer opens this panel"), h("span", { key: "s" }, "it has expired or was revoked: ask for a new one")];
    else if (lost) words = [h("b", { key: "b" }, "Disconnected since " + S.clockTime(props.link.since + (now - Date.now()), page.timezone, false)), h("span", { key: "s" }, "these numbers are from " + S.clockTime(page.as_of, page.timezone, false) + ", " + S.ago((now - page.as_of) / 1000) + " ago")];
    else if (alarm) words = [h("b", { key: "b" }, alarm.message), h("span", { key: "s" }, "since " + S.clockTime(alarm.since, page.timezone, false))];
    else if (state.stale.length) words = [h("b", { key: "b" }, "Data is late: " + state.stale.join(", ")), h("span", { key: "s" }, state.oldest ? "last good load " + S.ago((now - state.oldest) / 1000) + " ago" : "never loaded")];
    else if (state.quiet.length) words = [h("b", { key: "b" }, "No new rows: " + state.quiet.join(", ")), h("span", { key: "s" }, "the newest is " + S.ago((now - state.newest) / 1000) + " old")];
    else if (state.late.length) words = [h("b", { key: "b" }, "A run was missed: " + state.late.join(", ")), h("span", { key: "s" }, "loaded " + S.ago((now - state.oldest) / 1000) + " ago")];
    else words = [h("b", { key: "b" }, props.link.state === "waiting" ? "Connecting" : "Live"), h("span", { key: "s" }, state.oldest ? "data loaded " + S.ago((now - state.oldest) / 1000) + " ago" : "computed " + S.ago((now - page.as_of) / 1000) + " ago")];
    return h("div", { className: "wall-health " + kind, role: kind === "loud" ? "alert" : "status", "data-health": kind, "data-alarm": alarm ? alarm.kind : null }, h("i", { "aria-hidden": true }), words);
  }

  function Clock(props) {
    S.useTicker(1000);
    return h("time", { className: "wall-clock" }, S.clockTime(S.now(), props.zone, false));
  }

  /* A sparkline drawn at the size that is left for it, so that lines and marks keep their shape on every screen. */
  function FittedSpark(props) {
    const React = window.React;
    const box = React.useRef(null);
    const state = React.useState(null);
    React.useLayoutEffect(function () {
      const width = box.current.clientWidth / props.unit;
      const height = box.current.clientHeight / props.unit;
      const size = state[0];
      if (!size || Math.abs(size[0] - width) > 0.2 || Math.abs(size[1] - height) > 0.2) state[1]([width, height]);
    });
    const size = state[0];
    const fine = size && size[1] < 4 ? 17 : 14;
    return h("div", { className: "tile-spark", ref: box }, size && size[1] > 1.2 ? h(S.Sparkline, { spark: props.spark, now: props.now, width: Math.round(size[0] * fine), height: Math.round(size[1] * fine), scale: 1.4, edge: 6 }) : null);
  }

  function Tile(props) {
    const item = S.shown(props.item, props.now);
    const closed = S.shown(props.item.closed, props.now);
    const u = props.unit;
    const room = props.width / u - 2.1;
    const unit = item.unit ? item.unit.length * (item.tight ? 0.48 : 0.25) + (item.tight ? 0 : 0.2) : 0;
    const digits = item.number === null ? 1 : item.number.length * 0.56 + unit;
    const size = Math.min(props.tall ? 6.6 : 4.9, room / digits);
    const title = item.slice && props.screen !== item.slice ? item.title + ", " + item.slice : item.title;
    const narrow = title.length * 0.57 * 1.35 > room;
    const change = item.change ? h(S.Change, { change: item.change }) : null;
    const aim = item.target ? item.target.text : "";
    const together = !item.heading && (item.word.length + aim.length + (item.change ? item.change.text.length : 0)) * 0.62 + 6.4 < room;
    const ranged = item.range && (item.heading.length + item.range.length + 3 + (item.change ? item.change.text.length + 4 : 0)) * 0.55 < room;
    const wide = props.width / u > 23;
    return h(
      "article",
      { className: "tile " + item.status + (wide ? " wide" : "") + (item.thin ? " thin" : ""), "data-metric": item.metric, "data-status": item.status, "aria-label": title + ": " + item.text + ", " + item.word + (item.thin ? ", not conclusive" : "") + (item.by ? ", set by " + item.by : ""), style: { fontSize: u + "px" } },
      h("h2", { className: narrow ? "narrow" : "" }, title),
      h("div", { className: "tile-value", style: { fontSize: size * u + "px" } }, h(S.Number, { item: item })),
      h("div", { className: "tile-aim" }, h(S.Chip, { item: item }), h("span", { className: "aim-text" }, aim), together ? change : null),
      together || !(change || item.heading) ? null : h("div", { className: "tile-aim second" }, change, item.heading ? h("span", { className: "tile-heading" }, ranged ? item.heading + " (" + item.range + ")" : item.heading) : null),
      h(FittedSpark, { spark: item.spark, now: props.now, unit: u }),
      h("footer", null, h("span", { className: "closed-period" }, closed.period.replace(/^\d{4}-(?=[WQ])/, "")), h("b", null, closed.text), h("span", { className: "closed-chip " + closed.status }, h(S.Shape, { status: closed.status, thin: closed.thin }), closed.word, closed.thin ? h("span", { className: "unseen" }, ", not conclusive") : null, h(S.By, { by: closed.by })))
    );
  }

  /* The place in the rotation: which screen, and which part of it where it holds more than fits. */
  function useTurn(slides, rotate) {
    const React = window.React;
    const state = React.useState(0);
    React.useEffect(
      function () {
        if (slides < 2) return undefined;
        const timer = setInterval(function () {
          state[1](function (n) {
            return (n + 1) % 1000000;
          });
        }, rotate);
        return function () {
          clearInterval(timer);
        };
      },
      [slides, rotate]
    );
    return slides ? state[0] % slides : 0;
  }

  /* Tiles in rows of almost equal length, so that no corner of the screen stays empty. */
  function rowsOf(tiles, fit) {
    const count = Math.max(1, Math.min(fit.rows, Math.ceil(tiles.length / fit.columns)));
    const rows = [];
    let at = 0;
    for (let row = 0; row < count; row += 1) {
      const take = Math.ceil((tiles.length - at) / (count - row));
      rows.push(tiles.slice(at, at + take));
      at += take;
    }
    return rows;
  }

  function slidesOf(screens, room, lesser, embedded) {
    const slides = [];
    screens.forEach(function (screen) {
      const fit = grid(screen.tiles.length || 1, room.width, room.height, lesser, embedded);
      const parts = Math.max(1, Math.ceil(screen.tiles.length / fit.tiles));
      const each = Math.ceil(screen.tiles.length / parts);
      for (let part = 0; part < parts; part += 1) slides.push({ screen: screen, fit: fit, tiles: screen.tiles.slice(part * each, (part + 1) * each) });
    });
    return slides;
  }

  S.Wall = function (props) {
    const page = props.page;
    const body = page.body;
    const size = useSize();
    const lesser = Math.min(size.width, size.height);
    const upright = size.height > size.width;
    const bar = body.embedded ? Math.min(56, Math.round(size.height * 0.16)) : Math.round(lesser * (upright ? 0.155 : 0.085));
    const low = body.embedded ? Math.min(34, Math.round(size.height * 0.1)) : Math.round(lesser * 0.055);
    const gap = Math.max(8, Math.round(lesser * 0.014));
    const room = { width: size.width - 2 * gap, height: size.height - bar - low - gap };
    const slides = slidesOf(body.screens, room, lesser, body.embedded);
    const turn = useTurn(slides.length, body.rotate);
    const slide = slides[turn];
    const style = { "--bar": bar + "px", "--low": low + "px", "--gap": gap + "px" };
    if (!slide || !slide.tiles.length) return h("div", { className: "wall", style: style }, h("main", { className: "wall-empty" }, h("h1", null, page.title), h("p", null, "This panel shows nothing yet.")));
    const rows = rowsOf(slide.tiles, slide.fit);
    const columns = Math.max.apply(null, rows.map(function (row) { return row.length; }));
    const width = (room.width - gap * (columns - 1)) / columns;
    const height = (room.height - gap * (rows.length - 1)) / rows.length;
    /* Once everything can be read from afar, further room goes to the history. */
    const enough = lesser * 0.034;
    const most = Math.min(width / 15.2, height / 15.4);
    const unit = most < enough ? most : Math.max(enough, Math.min(width / 15.2, height / 18.5));
    const rolled = S.tally(slide.screen.marks, props.now);
    const periods = slide.tiles.map(function (tile) { return tile.period; });
    const shared = periods.every(function (period) { return period === periods[0]; }) ? periods[0] : null;
    return h(
      "div",
      { className: "wall" + (body.embedded ? " embedded" : "") + (upright ? " upright" : "") + (props.link.state === "lost" || props.link.state === "shut" ? " lost" : ""), style: style, "data-slide": turn, "data-slides": slides.length },
      h("header", { className: "wall-top" }, h("h1", null, h(S.Shape, { status: rolled.worst }), slide.screen.title), h(S.Counts, { counts: rolled.counts, small: lesser < 700 || (!upright && slide.screen.title.length > 16) }), h("span", { className: "wall-owner" }, shared ? h("b", null, shared + ", running") : null, slide.screen.owner ? h("span", null, (shared ? " · " : "") + slide.screen.owner) : null), h(Clock, { zone: page.timezone })),
      h(
        "main",
        { className: "tiles", key: turn },
        rows.map(function (row, index) {
          return h(
            "div",
            { className: "tile-row", key: index },
            row.map(function (item) {
              return h(Tile, { key: item.key, item: item, now: props.now, unit: unit, width: (room.width - gap * (row.length - 1)) / row.length, tall: height / unit > 18.5, screen: slide.screen.title });
            })
          );
        })
      ),
      h(
        "footer",
        { className: "wall-low" },
        h(Health, { page: page, link: props.link }),
        slide.tiles.some(function (tile) { return S.shown(tile, props.now).thin || S.shown(tile.closed, props.now).thin; }) ? h("span", { className: "wall-legend" }, h("i", { className: "swatch", "aria-hidden": true }), "not conclusive") : null,
        page.notices.length ? h("span", { className: "wall-notice" }, h(S.Shape, { status: "amber" }), page.notices.length === 1 ? page.notices[0].message : page.notices.length + " problems in metrics.yaml") : null,
        slides.length > 1
          ? h(
              "ol",
              { className: "wall-dots", "aria-label": "Screen " + (turn + 1) + " of " + slides.length },
              slides.map(function (_, index) {
                return h("li", { key: index, className: index === turn ? "here" : "", style: index === turn ? { animationDuration: body.rotate + "ms" } : null });
              })
            )
          : null,
        h("span", { className: "wall-name" }, page.organization)
      )
    );
  };
})();
