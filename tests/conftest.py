"""What all tests share."""

from __future__ import annotations

import pytest
from hypothesis import settings

# How long one example takes says how busy the machine is; what must be quick is timed by tests of its own.
settings.register_profile("scorecard", deadline=None)
settings.load_profile("scorecard")

pytest_plugins = ["tests.postgres_server", "tests.mariadb_server"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first: a long one that began last would keep one worker busy and the other waiting."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
