"""The program as `cmake --install` leaves it, away from its source tree."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from scene.product import binary


def test_the_installed_demo_plays_a_call_by_itself(tmp_path: Path):
    build = Path(binary()).parents[1]
    if not (build / "cmake_install.cmake").exists():
        pytest.skip(f"{binary()} does not lie in a build folder")
    subprocess.run(["cmake", "--install", build, "--prefix", "/usr"], check=True,
                   env=os.environ | {"DESTDIR": str(tmp_path)}, stdout=subprocess.DEVNULL)
    installed = tmp_path / "usr/bin/sallyport"
    environment = {name: value for name, value in os.environ.items() if name != "NETNS_SALLYPORT"}
    played = subprocess.run([installed, "demo"], cwd=tmp_path, env=environment, timeout=60,
                            capture_output=True, text=True, check=False)
    assert played.returncode == 0, played.stdout + played.stderr
    assert "VERDICT: both hear each other, in both directions of call." in played.stdout
    # Nothing is left beside what was installed: no compiled Python in a folder of the system.
    assert not list(tmp_path.rglob("__pycache__"))
