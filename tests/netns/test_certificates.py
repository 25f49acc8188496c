"""The agent's certificate over its life."""

import os
import shutil
import stat
from pathlib import Path

from scene.figure1 import Scene
from scene.world import World

# Certificates begin ten minutes before they are made, for agents whose clock is slow: when they end
# a minute after, two thirds of their life have passed at once.
SHORT = {"enrolment.certificate_life": "1 min"}


def test_a_certificate_renews_itself_and_the_old_one_is_worth_nothing_then(scene: Scene):
    world = World(scene, server_settings=SHORT)
    world.add_site("a", start=False)
    agent = world.agents["a"]
    identity = Path(agent.settings["state_dir"]) / "agent.json"
    joined_with = identity.read_text()
    copy = identity.with_suffix(".copy")
    shutil.copy2(identity, copy)

    agent.start()
    agent.await_event("certificate renewed")
    assert identity.read_text() != joined_with
    assert stat.S_IMODE(os.stat(identity).st_mode) == 0o600
    assert "certificate_problem" not in agent.json("status")
    # The connection goes on as if nothing had been.
    assert agent.json("status")["state"] == "connected"
    assert not agent.events("connection to the server lost")

    # The next connection shows the new one; from then on the old one is refused, and says so.
    agent.stop()
    agent.start()
    world.server.await_agent(agent.name)
    agent.stop()
    shutil.copy2(copy, identity)
    before = agent.mark()
    agent.start()
    assert "newer one" in agent.await_event("refused by the server", before)["why"]
    assert "refuses" in agent.json("status")["problem"]
