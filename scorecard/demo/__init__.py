"""The demo organisation, Northwind Operations: its files, its feed, and the clockwork that keeps them moving."""

from __future__ import annotations

from scorecard.demo.feed import FEED_PORT, FEED_URL, Feed, start_feed
from scorecard.demo.files import ensure, extend, generate
from scorecard.demo.ticker import Ticker

__all__ = ["FEED_PORT", "FEED_URL", "Feed", "Ticker", "ensure", "extend", "generate", "start_feed"]
