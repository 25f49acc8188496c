"""A media gateway that nobody here wrote: osmo-mgw, which speaks MGCP."""

from __future__ import annotations

from .figure1 import Host, Scene, listening

PORT = 2427

CONFIG = """\
log stderr
 logging level set-all notice
mgcp
 domain {domain}
 bind ip {address}
 bind port {port}
 rtp port-range 14002 14101
 rtp bind-ip {address}
 no rtp keep-alive
 number endpoints 10
 sdp audio-payload number 0
 sdp audio-payload name PCMU/8000/1
line vty
 bind 127.0.0.1
"""


class OsmoMgw:
    """Its endpoints are rtpbridge/1 to rtpbridge/10: what arrives at one connection of an endpoint
    leaves by the other."""

    def __init__(self, scene: Scene, host: Host, domain: str = "mgw"):
        self.host = host
        self.address = host.address
        self.domain = domain
        folder = scene.folder_for(f"osmo-mgw-{host.name}")
        config = folder / "mgw.cfg"
        config.write_text(CONFIG.format(domain=domain, address=host.address, port=PORT))
        host.namespace.spawn(["osmo-mgw", "-s", "-c", str(config)], folder / "log", cwd=folder)
        listening(host, PORT, "udp")

    def say(self, agent: Host, command: str) -> None:
        """What it does not say by itself, said from its host: a restart, say."""
        with self.host.namespace.socket() as mouth:
            mouth.sendto(command.encode(), (agent.address, 2727))
