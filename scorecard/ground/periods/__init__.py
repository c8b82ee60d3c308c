"""The one calendar: periods, labels, comparisons and working time."""

from __future__ import annotations

from typing import Literal

Grain = Literal["hour", "day", "week", "month", "quarter", "year"]
GRAINS: tuple[Grain, ...] = ("hour", "day", "week", "month", "quarter", "year")
