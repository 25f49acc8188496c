"""A site's HTTP proxy that nobody here wrote: tinyproxy."""

from __future__ import annotations

from .dns import NameServer
from .figure1 import Host, Scene, listening

PORT = 3128

CONFIG = """\
Port {port}
Listen {address}
Timeout 600
MaxClients 50
LogLevel Connect
LogFile "{folder}/requests"
PidFile "{folder}/pid"
Allow 10.0.0.0/8
{ports}
"""


class Tinyproxy:
    def __init__(self, scene: Scene, host: Host, ports: tuple[int, ...] = (2776,),
                 user: str | None = None, password: str | None = None,
                 name_server: NameServer | None = None):
        """It allows CONNECT to `ports`; with `user`, only to those who know the password."""
        self.host = host
        self.address = f"{host.address}:{PORT}"
        self.folder = scene.folder_for(f"tinyproxy-{host.name}")
        config = self.folder / "tinyproxy.conf"
        config.write_text(CONFIG.format(
            port=PORT, address=host.address, folder=self.folder,
            ports="\n".join(f"ConnectPort {port}" for port in ports)))
        if user:
            with config.open("a") as file:
                file.write(f"BasicAuth {user} {password}\n")
        # It gives its rights up only if it is told to whom: its folder is root's.
        command = ["tinyproxy", "-d", "-c", str(config)]
        if name_server is not None:
            command = name_server.wrap(command)
        self.process = host.namespace.spawn(command, self.folder / "log")
        listening(host, PORT)

    def requests(self) -> str:
        return (self.folder / "requests").read_text(errors="replace")
