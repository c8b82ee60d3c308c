"""A save reaches the running server, whichever way an editor saves and whichever file it is; a bad one never replaces a good book."""

from __future__ import annotations

import time
import urllib.error
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.served import Served, served

BOOK = """version: 1
include: [metrics/*.yaml]
organization: {name: Test, timezone: UTC, holidays: holidays.csv}
sources:
  orders: {kind: csv, path: "${ORDERS}", every: 1s, key: [order_id], time: ordered_at}
teams:
  sales: {title: Sales, owner: Ana Ruiz}
metrics:
  orders_count: {team: sales, role: lagging, source: orders, count: rows, better: higher, target: 3}
  a_day: {team: sales, role: leading, formula: orders_count / workdays, better: higher}
"""
REVENUE = "metrics:\n  revenue: {team: sales, role: lagging, source: orders, sum: amount, better: higher}\n"
WEEK = {"period": "2026-W39"}
pytestmark = pytest.mark.slow


def write_orders(folder: Path, name: str, count: int) -> None:
    rows = "".join(f"{i},2026-09-2{1 + i % 5} 10:00:00,{10 + i}\n" for i in range(count))
    (folder / name).write_text("order_id,ordered_at,amount\n" + rows)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("reload")
    (folder / "metrics").mkdir()
    (folder / "metrics" / "revenue.yaml").write_text(REVENUE)
    (folder / "metrics.yaml").write_text(BOOK)
    (folder / "holidays.csv").write_text("day\n2026-12-25\n")
    (folder / ".env").write_text("ORDERS=orders.csv\n")
    write_orders(folder, "orders.csv", 4)
    write_orders(folder, "more.csv", 5)
    with served(folder) as found:
        found.wait_for("orders_count", 4, **WEEK)
        yield found


def until(true: Callable[[], bool], seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "not within the time"
        time.sleep(0.1)


def value(server: Served, metric: str) -> Any:
    try:
        return server.reading(metric, **WEEK)["value"]
    except urllib.error.HTTPError as error:
        with error:
            return f"HTTP {error.code}"


def notices(server: Served) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = server.get("/api/v1/sources")["notices"]
    return [each for each in found if each["severity"] == "error"]


def target(server: Served) -> float | None:
    found: float | None = server.reading("orders_count", **WEEK)["target"]
    return found


def test_a_save_by_renaming_is_taken_over(server: Served) -> None:
    """As vim does it: the old file becomes the backup, the new one takes its place, the backup goes."""
    path = server.folder / "metrics.yaml"
    path.rename(server.folder / "metrics.yaml~")
    time.sleep(0.2)
    (server.folder / "4913").write_text("")
    path.write_text(BOOK.replace("target: 3", "target: 5"))
    (server.folder / "4913").unlink()
    (server.folder / "metrics.yaml~").unlink()
    until(lambda: target(server) == 5)
    aside = server.folder / ".metrics.yaml.swp"
    aside.write_text(BOOK.replace("target: 3", "target: 6"))
    aside.replace(path)
    until(lambda: target(server) == 6)
    assert notices(server) == []


def test_a_half_written_file_is_waited_for(server: Served) -> None:
    """Its first half would be a good book with fewer metrics."""
    text = BOOK.replace("target: 3", "target: 7")
    half = text[: text.index("  a_day")]
    with (server.folder / "metrics.yaml").open("w") as stream:
        for part in (half, "", text[len(half) :]):
            stream.write(part)
            stream.flush()
            time.sleep(0.3)
            assert value(server, "a_day") == 0.8
    until(lambda: target(server) == 7)
    assert value(server, "a_day") == 0.8


def test_a_bad_save_keeps_the_good_book_and_says_its_line(server: Served) -> None:
    path = server.folder / "metrics.yaml"
    good = path.read_text()
    path.write_text(good.replace("count: rows", "cuont: rows"))
    until(lambda: bool(notices(server)))
    (told,) = [each for each in notices(server) if "cuont" in each["message"]]
    assert (Path(told["file"]).name, told["line"]) == ("metrics.yaml", 9)
    assert (value(server, "orders_count"), target(server)) == (4, 7)
    path.unlink()
    until(lambda: any("no such file" in each["message"] for each in notices(server)))
    assert (value(server, "orders_count"), target(server)) == (4, 7)
    path.write_text(good)
    until(lambda: notices(server) == [])


def test_what_it_includes_is_looked_at_too(server: Served) -> None:
    new = server.folder / "metrics" / "mean.yaml"
    new.write_text("metrics:\n  basket: {team: sales, role: lagging, source: orders, maen: amount, better: higher}\n")
    until(lambda: bool(notices(server)))
    (told,) = [each for each in notices(server) if "maen" in each["message"]]
    assert (told["file"].endswith("metrics/mean.yaml"), told["line"]) == (True, 2)
    assert value(server, "basket") == "HTTP 404"
    assert value(server, "revenue") == 46
    new.write_text(new.read_text().replace("maen", "mean"))  # only the file in error is mended
    until(lambda: value(server, "basket") == 11.5)
    assert notices(server) == []
    new.unlink()
    until(lambda: value(server, "basket") == "HTTP 404")


def test_holidays_and_the_environment_are_part_of_the_book(server: Served) -> None:
    assert value(server, "a_day") == 0.8
    (server.folder / "holidays.csv").write_text("day\n2026-12-25\n2026-09-24\n")
    until(lambda: value(server, "a_day") == 1)
    (server.folder / "holidays.csv").write_text("day\n2026-09-31\n")
    until(lambda: any("2026-09-31" in each["message"] for each in notices(server)))
    assert value(server, "a_day") == 1
    (server.folder / "holidays.csv").write_text("day\n2026-12-25\n")
    until(lambda: value(server, "a_day") == 0.8)
    (server.folder / ".env").write_text("ORDERS=more.csv\n")
    until(lambda: value(server, "orders_count") == 5)
    (server.folder / ".env").write_text("")
    until(lambda: any("ORDERS" in each["message"] for each in notices(server)))
    assert value(server, "orders_count") == 5
    (server.folder / ".env").write_text("ORDERS=orders.csv\n")
    until(lambda: notices(server) == [])
