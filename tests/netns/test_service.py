"""Server and agent as a service manager and a busy host's administrator meet them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from scene.figure1 import Scene
from scene.namespace import SceneError
from scene.product import binary
from scene.waiting import until
from scene.world import World


class Manager:
    """What systemd is to a service of Type=notify: the socket that it says things to."""

    def __init__(self, folder: Path):
        self.path = str(folder / "notify.sock")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.settimeout(0)
        self.said = ""

    def heard(self, text: str) -> bool:
        try:
            while True:
                self.said += self.socket.recv(4096).decode() + "\n"
        except BlockingIOError:
            return text in self.said


def test_an_agent_is_ready_although_its_server_is_away(scene: Scene):
    """Else `systemctl start` would hang, and systemd would give the agent up after a while."""
    world = World(scene)
    world.add_site("a", start=False)
    agent = world.agents["a"]
    world.server.stop()
    manager = Manager(agent.folder)
    agent.start(env={"NOTIFY_SOCKET": manager.path})
    until(lambda: manager.heard("READY=1"), "readiness")
    assert "STATUS=connecting as agent-a" in manager.said
    world.server.start()
    until(lambda: manager.heard("STATUS=connected as agent-a"), "the connection told")
    assert agent.stop() == 0
    assert manager.heard("STOPPING=1")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_both_sides_end_cleanly_when_they_are_told_to(scene: Scene, number: int):
    world = World(scene)
    world.add_site("a")
    agent = world.agents["a"]
    for side in (agent, world.server):
        assert side.stop(number) == 0
        assert not Path(side.settings["admin_socket"]).exists()
        side.assert_no_error_report()


def test_two_agents_with_one_identity_do_not_push_each_other_out(scene: Scene):
    world = World(scene)
    world.add_site("a")
    first = world.agents["a"]
    second = world.add_twin("a")
    second.start()
    assert "another process" in second.await_event("refused by the server")["why"]
    assert first.json("status")["state"] == "connected"
    assert not first.events("connection to the server lost")
    # When the first has gone, the second takes its place.
    first.stop(signal.SIGKILL)
    second.await_event("agent ready", timeout=60)


def test_a_full_disk_stops_no_call(scene: Scene):
    world = World(scene, start=False)
    state = Path(world.server.settings["state_dir"])
    state.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", state], check=True)
    try:
        world.server.start()
        world.add_site("a")
        world.add_site("b")
        alice, bob = world.phone("a", "alice"), world.phone("b", "bob")
        fill = state / "fill"
        with fill.open("wb", buffering=0) as file, pytest.raises(OSError):
            while True:
                file.write(b"\0" * 4096)
        # The audit log's last page still has some room.
        for caller, callee in ((alice, bob), (bob, alice), (alice, bob)):
            world.call(caller, callee)
            world.hang_up(callee, caller)
        assert world.server.json("status")["audit_lost"] > 0
        with pytest.raises(SceneError, match="cannot write"):
            world.server.invite("another")
        fill.unlink()
        world.call(bob, alice)
        world.hang_up(alice, bob)
        assert "could not be written" in world.server.command("audit", "verify", "--server")
        world.server.stop()
    finally:
        subprocess.run(["umount", "-l", state], check=True)


def test_a_database_that_is_removed_is_written_again_and_one_that_is_replaced_is_left(scene: Scene):
    world = World(scene)
    file = Path(world.server.settings["state_dir"]) / "server.db"
    world.server.add_user("early", "secret")
    file.unlink()
    world.server.add_user("late", "secret")
    status = world.server.json("status")
    assert status["database_restored"] == 1 and status["database"] == "ok"
    assert world.server.events("store was removed while it was open, and has been written again")

    own = file.with_suffix(".own")
    file.rename(own)
    file.write_bytes(b"somebody else's")
    with pytest.raises(SceneError, match="restart the server"):
        world.server.add_user("too-late", "secret")
    assert "replaced" in world.server.json("status")["database"]
    file.unlink()
    world.server.add_user("last", "secret")
    assert file.stat().st_ino != own.stat().st_ino
    world.server.stop()
    world.server.start()
    assert {user["name"] for user in world.server.json("user", "list")} == {"early", "late", "last"}


def test_a_state_folder_that_cannot_be_written_is_told_at_the_start(scene: Scene):
    world = World(scene, start=False)
    state = Path(world.server.settings["state_dir"])
    state.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", state], check=True)
    try:
        ended = subprocess.run([binary(), "server", "--config", world.server.file], text=True,
                               capture_output=True, check=False, timeout=20,
                               env=os.environ | {"NOTIFY_SOCKET": ""})
        assert ended.returncode == 1
        assert str(state) in ended.stderr
    finally:
        subprocess.run(["umount", "-l", state], check=True)
