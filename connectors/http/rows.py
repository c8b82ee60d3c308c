"""Records into the rows they stand for, where an API does not give one object a row: the options under ``rows``.

| option | for |
|---|---|
| ``carry`` | records inside larger objects: keys of those that go along with each record |
| ``names``, ``values`` | records that are lists: where the columns' names stand, and each record's values |
| ``zip`` | lists side by side in one record: their nth members make the nth row |
| ``spread`` | a list with a fixed order: names for its members |
| ``pairs`` | lists of named values: ``{fields: [id, text]}`` gives a column ``fields_<id>`` for each |
| ``pick`` | columns from paths in the record, the first that has a value |
| ``join`` | one text of several keys, where only they together tell rows apart |
| ``refuse`` | values of a key that say the answer is not whole |
| ``drop`` | keys that nobody needs |
| ``sparse`` | declared columns may be missing from all records: they are empty then (done while reading) |
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from connectors.contract import SourceFailed
from connectors.http.records import ALL, find_all, find_one, find_records, read_path, there


class Shaping:
    """Finds each document's records and gives their rows. ``usual``: the key they stand under where ``records`` is left out."""

    def __init__(self, records: str | None, options: Mapping[str, Any] | None, usual: str | None = None) -> None:
        self._records = records
        self._usual = usual
        self._options = options or {}
        if "values" in self._options and "names" not in self._options:
            raise SourceFailed("rows: values needs names", hint="names: where the columns' names stand")
        self._names: list[str] | None = None

    def rows(self, document: Any) -> list[Any]:
        """Raises SourceFailed where the records, or what is to be made of them, are not there."""
        path = self._records
        if path is None and self._usual is not None and isinstance(document, dict) and self._usual in document:
            path = f"$.{self._usual}"
        found = find_records(document, path)
        if not self._options:
            return found
        carried = self._carried(document, found)
        rows: list[Any] = found
        if "names" in self._options:
            rows = self._named(document, rows)
        rows = [{**extra, **row} if isinstance(row, dict) else row for extra, row in zip(carried, rows, strict=True)]
        for option, change in (
            ("refuse", self._refused), ("join", self._joined), ("zip", self._zipped), ("spread", self._spread),
            ("pairs", self._paired), ("pick", self._picked), ("drop", self._dropped),
        ):  # fmt: skip
            if option in self._options:
                rows = [made for row in rows for made in (change(row) if isinstance(row, dict) else (row,))]
        return rows

    def _carried(self, document: Any, found: list[Any]) -> list[dict[str, Any]]:
        """For each record, the keys of the objects around it."""
        keys = self._options.get("carry") or ()
        steps = None if self._records is None else there(document, self._records)
        if not keys or steps is None:
            return [{} for _ in found]
        extras = [extra for extra, _ in _around(document, steps, keys, {})]
        if len(extras) != len(found):  # the path ends at a list, whose members are the records
            extras = [extra for extra, _ in _around(document, [*steps, ALL], keys, {})]
        return extras

    def _named(self, document: Any, records: list[Any]) -> list[dict[str, Any]]:
        names = [
            str(name) for name in find_all(document, str(self._options["names"])) if not isinstance(name, dict | list)
        ]
        self._names = names or self._names  # later pages may leave them out
        if self._names is None:
            if records:
                raise SourceFailed(f"rows: there are no names at {self._options['names']}", hint="check the path")
            return []
        path = self._options.get("values")
        rows = []
        for record in records:
            values = record if path is None else find_all(record, str(path))
            if not isinstance(values, list) or len(values) != len(self._names):
                count = len(values) if isinstance(values, list) else "no list of"
                raise SourceFailed(
                    f"rows: a record has {count} values, and there are {len(self._names)} names", hint="check values"
                )
            rows.append(dict(zip(self._names, values, strict=True)))
        return rows

    def _zipped(self, row: dict[str, Any]) -> Iterator[dict[str, Any]]:
        keys = [str(key) for key in self._options["zip"]]
        lists = [row.get(key) or [] for key in keys]
        if any(not isinstance(one, list) for one in lists) or len({len(one) for one in lists}) > 1:
            raise SourceFailed(f"rows: {' and '.join(keys)} are not lists of one length", hint="check zip")
        rest = {key: value for key, value in row.items() if key not in keys}
        for values in zip(*lists, strict=True):
            yield {**rest, **dict(zip(keys, values, strict=True))}

    def _spread(self, row: dict[str, Any]) -> Iterator[dict[str, Any]]:
        made = dict(row)
        for key, names in self._options["spread"].items():
            members = made.pop(key, None) or []
            if not isinstance(members, list) or len(members) > len(names):
                raise SourceFailed(f"rows: {key} has not {len(names)} members", hint="name them all under spread")
            made |= dict(zip(map(str, names), [*members, *[None] * (len(names) - len(members))], strict=True))
        yield made

    def _paired(self, row: dict[str, Any]) -> Iterator[dict[str, Any]]:
        made = dict(row)
        for key, pair in self._options["pairs"].items():
            name, value = (str(path) for path in pair)
            found: dict[str, Any] = {}
            for item in made.get(key) or []:
                title = find_one(item, name)
                if title is None:
                    continue
                if str(title) in found:
                    raise SourceFailed(f"rows: {key} names '{title}' twice", hint="take another name for pairs")
                found[str(title)] = find_one(item, value)
            made[key] = found  # which flattens into key_title, and so meets no other column
        yield made

    def _picked(self, row: dict[str, Any]) -> Iterator[dict[str, Any]]:
        made = dict(row)
        picked = {}
        for name, paths in self._options["pick"].items():
            choices = [str(path) for path in (paths if isinstance(paths, list) else [paths])]
            picked[str(name)] = next((value for path in choices if (value := find_one(row, path)) is not None), None)
            for path in choices:
                _take_out(made, read_path(path))
        yield {**made, **picked}

    def _joined(self, row: dict[str, Any]) -> Iterator[dict[str, Any]]:
        made = {
            str(name): json.dumps({key: row.get(key) for key in keys}, sort_keys=True, ensure_ascii=False)
            for name, keys in self._options["join"].items()
        }
        yield {**row, **made}

    def _refused(self, row: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for key, values in self._options["refuse"].items():
            if row.get(key) in (values if isinstance(values, list) else [values]):
                hint = "nothing of the answer was used, as it may be only a part"
                raise SourceFailed(f"a record has {key}: {row[key]}", hint=hint)
        yield row

    def _dropped(self, row: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield {key: value for key, value in row.items() if key not in self._options["drop"]}


def _around(part: Any, steps: list[Any], keys: Any, extra: dict[str, Any]) -> Iterator[tuple[dict[str, Any], Any]]:
    """Walks as the path does; gives each end with what was carried along on the way."""
    if not steps:
        yield extra, part
        return
    if isinstance(part, dict):
        extra = {**extra, **{str(key): part[key] for key in keys if key in part and key != steps[0]}}
    for inner in find_all(part, _written(steps[0])):
        yield from _around(inner, steps[1:], keys, extra)


def _written(step: Any) -> str:
    return "$[*]" if step is ALL else f"$[{step}]" if isinstance(step, int) else f"$[{chr(34)}{step}{chr(34)}]"


def _take_out(row: dict[str, Any], steps: list[Any]) -> None:
    """Drops what was picked, so that it does not stand there twice; copies what it changes."""
    if not steps or not isinstance(steps[0], str) or steps[0] not in row:
        return
    if len(steps) == 1:
        del row[steps[0]]
    elif isinstance(row[steps[0]], dict):
        row[steps[0]] = inner = dict(row[steps[0]])
        _take_out(inner, steps[1:])
