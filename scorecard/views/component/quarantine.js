/* Rows that could not be read: where they stand, what is wrong with them, and what to do. */
(function () {
  "use strict";
  const S = (window.scorecard_views = window.scorecard_views || {});
  const h = function () {
    return S.h.apply(null, arguments);
  };
  const FIRST = 3;

  function Cell(cell) {
    return h(
      "span",
      { key: cell.name, className: "cell" + (cell.wrong ? " wrong" : "") },
      h("i", null, cell.name),
      cell.value === "" ? h("s", { className: "blank" }, "empty") : h("b", null, cell.value)
    );
  }

  function Row(row, index) {
    return h(
      "li",
      { key: index },
      h("span", { className: "where" }, row.place ? h("code", null, row.place) : null, h("span", null, row.line)),
      row.cells.length ? h("span", { className: "cells" }, row.cells.map(Cell)) : h("code", { className: "written", title: row.said }, row.written)
    );
  }

  function Group(props) {
    const group = props.group;
    const all = window.React.useState(false);
    const shown = all[0] ? group.first : group.first.slice(0, FIRST);
    const hidden = group.first.length - shown.length;
    return h(
      "section",
      { className: "aside-group " + group.status },
      h("header", null, h(S.Shape, { status: group.status }), h("h4", null, group.why), h("span", { className: "faint" }, group.counted)),
      h("p", { className: "advice" }, group.advice),
      h("ol", { className: "aside-rows" }, shown.map(Row)),
      hidden > 0 || group.more > 0
        ? h(
            "p",
            { className: "aside-more" },
            hidden > 0
              ? h(
                  "button",
                  {
                    onClick: function () {
                      all[1](true);
                    },
                  },
                  "Show " + hidden + " more"
                )
              : null,
            group.more > 0 ? h("span", { className: "faint" }, (hidden > 0 ? "All of them: " : group.more + " more: "), h("code", null, group.command)) : null
          )
        : null
    );
  }

  S.Quarantine = function (props) {
    if (!props.sources.length) return null;
    return h(
      "section",
      { className: "card aside", "aria-labelledby": "aside" },
      h("header", null, h("h2", { id: "aside" }, "Rows put aside"), h("p", null, "not counted until they can be read; a mended file is read again by itself")),
      props.sources.map(function (source) {
        return h(
          "div",
          { className: "aside-source", key: source.source, "data-aside": source.source },
          h("h3", null, source.source, " ", h("span", { className: "faint" }, source.said)),
          source.groups.map(function (group, index) {
            return h(Group, { key: group.why + index, group: group });
          }),
          source.more_reasons > 0 ? h("p", { className: "faint aside-more" }, "and " + source.more_reasons + " further reasons: ", h("code", null, "scorecard loads " + source.source + " --rows")) : null
        );
      })
    );
  };
})();
