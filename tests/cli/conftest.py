"""What tests of several commands share."""

from __future__ import annotations

from pathlib import Path

import pytest
from swc.trust import consent


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user who has not consented to anything, and has compiled nothing."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("SWC_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(consent.VARIABLE, raising=False)
    return tmp_path / "state"
