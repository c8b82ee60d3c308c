/* Thirteen periods in one line: value, target in force (dotted), a mark per period in the shape and colour of its status. */
(function () {
  "use strict";
  const S = (window.scorecard_views = window.scorecard_views || {});
  const h = function () {
    return S.h.apply(null, arguments);
  };

  function extent(spark) {
    const all = [];
    spark.points.forEach(function (point) {
      if (point.value !== null) all.push(point.value);
      (point.target || []).forEach(function (limit) {
        all.push(limit);
      });
    });
    if (!all.length) return [0, 1];
    const low = Math.min.apply(null, all);
    const high = Math.max.apply(null, all);
    const pad = (high - low || Math.abs(high) || 1) * 0.12;
    return [low - pad, high + pad];
  }

  function mark(point, x, y, r, key, label) {
    const status = point.status;
    const title = h("title", null, label + (point.thin ? ", not conclusive" : ""));
    const common = { key: key, className: "dot " + status + (point.thin ? " thin" : "") };
    if (point.thin) common.style = { fill: "url(#thin-" + status + ")" };
    if (status === "red") return h("rect", Object.assign(common, { x: x - r * 0.9, y: y - r * 0.9, width: r * 1.8, height: r * 1.8 }), title);
    if (status === "amber")
      return h("path", Object.assign(common, { d: "M" + x + " " + (y - r * 1.15) + "l" + r * 1.15 + " " + r * 2 + "h" + -r * 2.3 + "z" }), title);
    if (status === "neutral") return h("path", Object.assign(common, { d: "M" + x + " " + (y - r * 1.2) + "l" + r * 1.2 + " " + r * 1.2 + "-" + r * 1.2 + " " + r * 1.2 + "-" + r * 1.2 + "-" + r * 1.2 + "z" }), title);
    return h("circle", Object.assign(common, { cx: x, cy: y, r: r }), title);
  }

  /* Values as path pieces: a gap where there was no value. What is not closed or cannot be said is apart, with no area below. */
  function pieces(points, x, y, floor, now) {
    let solid = "";
    let open = "";
    let area = "";
    let run = [];
    let before = null;
    let pen = null;
    function close() {
      if (run.length > 1) area += "M" + run[0][0] + " " + floor + "L" + run.map(function (p) { return p[0] + " " + p[1]; }).join("L") + "L" + run[run.length - 1][0] + " " + floor + "z";
      run = [];
    }
    points.forEach(function (point, i) {
      if (point.value === null) {
        close();
        before = null;
        return;
      }
      const at = [x(i).toFixed(1), y(point.value).toFixed(1)];
      const unsaid = point.unsaid || S.shown(point, now).turned === true;
      if (before && (unsaid || before.unsaid || point.running)) open += "M" + before.at.join(" ") + "L" + at.join(" ");
      else if (before) {
        solid += (pen === before.at ? "" : "M" + before.at.join(" ")) + "L" + at.join(" ");
        pen = at;
      }
      if (unsaid) close();
      else run.push(at);
      before = { at: at, unsaid: unsaid };
    });
    close();
    return { solid: solid, open: open, area: area };
  }

  function steps(points, which, x, y, half) {
    let path = "";
    let last = null;
    points.forEach(function (point, i) {
      const limit = point.target && point.target.length > which ? point.target[which] : null;
      if (limit !== null) path += (last === null ? "M" : "L") + (x(i) - half).toFixed(1) + " " + y(limit).toFixed(1) + "H" + (x(i) + half).toFixed(1);
      last = limit;
    });
    return path;
  }

  S.Sparkline = function (props) {
    const spark = props.spark;
    const now = props.now;
    const width = props.width || 168;
    const height = props.height || 40;
    const edge = props.edge || 6;
    const points = spark.points;
    if (
      !points.some(function (point) {
        return point.value !== null;
      })
    )
      return h("span", { className: "spark-none", role: "img", "aria-label": spark.label }, "no values");
    const range = extent(spark);
    const gap = points.length > 1 ? (width - 2 * edge) / (points.length - 1) : 0;
    const x = function (i) {
      return edge + i * gap;
    };
    const y = function (value) {
      return height - edge - ((value - range[0]) / (range[1] - range[0])) * (height - 2 * edge);
    };
    const path = pieces(points, x, y, height, now);
    const last = points.length - 1;
    const scale = props.scale || 1;
    const dots = points.map(function (point, i) {
      if (point.value === null) return null;
      const shown = S.shown(point, now);
      return mark(shown, x(i), y(point.value), (i === last ? 3.9 : 2.1) * scale, i, point.label);
    });
    const marked = props.dots === "last" ? dots[last] : dots;
    return h(
      "svg",
      { className: "spark" + (props.fluid ? " fluid" : ""), viewBox: "0 0 " + width + " " + height, role: "img", "aria-label": spark.label, preserveAspectRatio: props.fluid ? "none" : "xMaxYMid meet" },
      path.area ? h("path", { className: "area", d: path.area }) : null,
      h("path", { className: "aim", d: steps(points, 0, x, y, gap / 2) }),
      h("path", { className: "aim", d: steps(points, 1, x, y, gap / 2) }),
      h("path", { className: "line", d: path.solid }),
      path.open ? h("path", { className: "line open", d: path.open }) : null,
      marked
    );
  };
})();
