"""Fixtures of the tests in network namespaces. Each test builds a scene of its own, so tests run
side by side; a scene that failed leaves its captures and logs in build/netns-failures/."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from scene.figure1 import Scene  # noqa: E402
from scene.ground import Ground  # noqa: E402

TOP = Path(__file__).resolve().parents[2]
FAILURES = TOP / "build" / "netns-failures"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "soak: takes long; run by script/test --full")
    config.addinivalue_line("markers", "figures: measures; run alone, nothing beside it")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Soaks and figures run when asked for by marker or by their own name."""
    if config.option.markexpr or any("::" in a for a in config.args):
        return
    wanted = [item for item in items
              if not (item.get_closest_marker("soak") or item.get_closest_marker("figures"))]
    config.hook.pytest_deselected(items=[item for item in items if item not in wanted])
    items[:] = wanted


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    outcome = yield
    setattr(item, f"report_{call.when}", outcome.get_result())


@pytest.fixture
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    """An empty public network; the test adds its sites."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:60]
    made = Scene(name)
    try:
        yield made
        failed = getattr(request.node, "report_call", None) and request.node.report_call.failed
        if failed:
            kept = FAILURES / f"{name}-{os.getpid()}"
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(made.folder, kept, ignore=shutil.ignore_patterns("*.sock", "*.pipe"))
            made.save_captures(kept)
            print(f"captures and logs: {kept}")
    finally:
        made.close()


@pytest.fixture
def ground() -> Iterator[Ground]:
    made = Ground()
    try:
        yield made
    finally:
        made.close()
