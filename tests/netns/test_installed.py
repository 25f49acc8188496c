"""The program as `cmake --install` leaves it, away from its source tree."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from scene.product import binary


@pytest.fixture
def installed_in(tmp_path: Path) -> Path:
    build = Path(binary()).parents[1]
    if not (build / "cmake_install.cmake").exists():
        pytest.skip(f"{binary()} does not lie in a build folder")
    subprocess.run(["cmake", "--install", build, "--prefix", "/usr"], check=True,
                   env=os.environ | {"DESTDIR": str(tmp_path)}, stdout=subprocess.DEVNULL)
    return tmp_path


def test_links_of_installed_documents_lead_somewhere(installed_in: Path):
    documents = installed_in / "usr/share/doc/sallyport"
    links = [(document, link) for document in documents.rglob("*.md")
             for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text())]
    assert len(links) > 10
    assert [f"{document}: {link}" for document, link in links
            if not (document.parent / link).exists()] == []


def test_the_packed_program_runs_where_its_packages_are(tmp_path: Path):
    source = Path(__file__).parents[2]
    build = Path(binary()).parents[1]
    if not (build / "cmake_install.cmake").exists():
        pytest.skip(f"{binary()} does not lie in a build folder")
    told = subprocess.run([source / "script/package", build, tmp_path / "sallyport.tar.gz"],
                          check=True, capture_output=True, text=True).stdout
    with tarfile.open(tmp_path / "sallyport.tar.gz") as archive:
        members = archive.getmembers()
        archive.extractall(tmp_path)
    assert {member.name.split("/")[0] for member in members} == {"usr"}
    assert all(member.uid == 0 and not member.mode & 0o022 for member in members)
    program = tmp_path / "usr/bin/sallyport"
    subprocess.run([program, "--version"], check=True, stdout=subprocess.DEVNULL)
    # Each library that the program names is in one of the packages that are printed.
    packages = re.search(r"apt-get install \S+ (.*)", told)[1].split()
    owned = subprocess.run(["dpkg-query", "--listfiles", *packages], check=True,
                           capture_output=True, text=True).stdout
    names = subprocess.run(["objdump", "-p", program], check=True, capture_output=True,
                           text=True).stdout
    for library in re.findall(r"NEEDED +(\S+)", names):
        assert f"/{library}\n" in owned


@pytest.mark.parametrize("side", ["server", "agent"])
def test_installed_units_are_understood_and_let_little_through(installed_in: Path, side: str):
    unit = installed_in / f"usr/lib/systemd/system/sallyport-{side}.service"
    assert f"\nExecStart=/usr/bin/sallyport {side}\n" in unit.read_text()
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze")
    told = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True,
                          check=False).stderr.splitlines()
    # The program itself is not on this host; anything else is a mistake in the unit.
    assert [line for line in told
            if unit.name in line and "/usr/bin/sallyport is not executable" not in line] == []
    # In tenths: systemd calls 2.0 "OK", and most services of a distribution stand above 9.
    subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=20", unit],
                   check=True, stdout=subprocess.DEVNULL)


def test_the_installed_demo_plays_a_call_by_itself(installed_in: Path):
    tmp_path = installed_in
    installed = tmp_path / "usr/bin/sallyport"
    environment = {name: value for name, value in os.environ.items() if name != "NETNS_SALLYPORT"}
    played = subprocess.run([installed, "demo"], cwd=tmp_path, env=environment, timeout=60,
                            capture_output=True, text=True, check=False)
    assert played.returncode == 0, played.stdout + played.stderr
    assert "VERDICT: both hear each other, in both directions of call." in played.stdout
    # Nothing is left beside what was installed: no compiled Python in a folder of the system.
    assert not list(tmp_path.rglob("__pycache__"))
