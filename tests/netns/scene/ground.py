"""A server, many agents played by the load tool, and an attacker: a namespace each, and links."""

from __future__ import annotations

import json
import subprocess
import sys

from .namespace import Namespace
from .product import TOP

sys.path.insert(0, str(TOP / "bench" / "load"))
import whole_server  # noqa: E402

TOOLS = TOP / "build" / "release" / "bench"
SERVER, AGENTS, STRANGERS = "10.0.0.1", "10.64.0.1", "10.66.0.1"


class Ground:
    """The server's namespace, and on a link of its own each the agents and the attacker."""

    def __init__(self) -> None:
        self.server, self.agents, self.attacker = (Namespace(n) for n in ("srv", "agents", "attacker"))
        for namespace in (self.server, self.agents, self.attacker):
            for which in ("all", "default"):
                namespace.sysctl(f"net.ipv4.conf.{which}.rp_filter", 0)
        self.server.ip(f"address add {SERVER}/32 dev lo")
        for number, (other, range_) in enumerate(((self.agents, "10.64.0.0/16"),
                                                  (self.attacker, "10.66.0.0/16")), 1):
            device = f"to-{other.name}"
            self.server.ip(f"link add {device} type veth peer name out netns {other.path}",
                           f"address add 10.0.{number}.1/24 dev {device}", f"link set {device} up")
            other.ip(f"address add 10.0.{number}.2/24 dev out", "link set out up",
                     f"route add {SERVER} via 10.0.{number}.1")
            self.server.ip(f"route add {range_} via 10.0.{number}.2")
        self.agents.ip("route add local 10.64.0.0/16 dev lo")
        # What is answered to a stranger arrives, is counted, and is answered by nobody.
        self.attacker.ip("route add blackhole 10.66.0.0/16")

    @staticmethod
    def inside(namespace: Namespace) -> list[str]:
        return ["nsenter", f"--net={namespace.path}", "--"]

    def place(self) -> whole_server.Place:
        return whole_server.Place(SERVER, AGENTS, self.inside(self.server), self.inside(self.agents))

    def attack(self, rate: int, seconds: float) -> subprocess.Popen:
        """It listens; a line on its input begins the attack."""
        return subprocess.Popen(
            [*self.inside(self.attacker), TOOLS / "media_attack", "--victim", f"{SERVER}:2776",
             "--overheard-in", self.server.path, "--strangers", STRANGERS, "--rate", str(rate),
             "--time", str(int(seconds * 1000))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def crossed(self) -> dict[str, int]:
        """Packets and octets on the attacker's link, as the attacker sees it."""
        stats = json.loads(self.attacker.run(["ip", "-s", "-j", "link", "show", "dev", "out"]))[0]["stats64"]
        return {f"{way}_{what}": stats[way][what] for way in ("rx", "tx") for what in ("packets", "bytes")}

    def close(self) -> None:
        for namespace in (self.attacker, self.agents, self.server):
            namespace.close()
