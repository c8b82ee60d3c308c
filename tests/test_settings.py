"""Settings: defaults, the file, the environment, and mistakes all at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from scorecard.ground.errors import Refused
from scorecard.ground.settings import read_settings


def test_environment_beats_file_beats_default(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text('memory_limit = "1GB"\nthreads = 3\nhosts = ["a.example"]\n')
    settings = read_settings(tmp_path, {"SCORECARD_THREADS": "4", "SCORECARD_EMBED_FROM": "https://a, https://b"})
    assert (settings.memory_limit, settings.threads, settings.workers) == ("1GB", 4, 8)
    assert settings.hosts == ("a.example",)
    assert settings.embed_from == ("https://a", "https://b")
    assert settings.origin["threads"] == "SCORECARD_THREADS"
    assert settings.origin["memory_limit"].endswith("settings.toml")
    assert settings.origin["workers"] == "default"


def test_all_mistakes_are_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text('memry_limit = "1GB"\nthreads = "many"\nworkers = true\n')
    with pytest.raises(Refused) as refused:
        read_settings(tmp_path, {})
    said = str(refused.value)
    assert "unknown setting 'memry_limit' (did you mean 'memory_limit'?)" in said
    assert "setting 'threads': 'many' is not a whole number" in said
    assert "setting 'workers': True is not a whole number" in said


def test_a_file_that_is_not_toml_is_named(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("threads: 2\n")
    with pytest.raises(Refused, match=r"settings\.toml.*not TOML"):
        read_settings(tmp_path, {})
