"""Waiting for what is to happen, rather than for time to pass."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# A loaded machine stretches every wait; what a test asserts about time it measures by packet stamps.
PATIENCE = float(os.environ.get("NETNS_PATIENCE", "1"))


class NotInTime(AssertionError):
    """What was awaited did not happen."""


def until(condition: Callable[[], T], what: str | Callable[[], str], timeout: float = 20.0) -> T:
    """The first true result of `condition`; NotInTime, saying `what`, after `timeout` seconds."""
    deadline = time.monotonic() + timeout * PATIENCE
    pause = 0.002
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise NotInTime(f"not within {timeout:g} s: {what() if callable(what) else what}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)
