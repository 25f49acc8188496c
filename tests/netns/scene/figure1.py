"""Figure 1 of WO 02/45373 in network namespaces: sites behind routers, and the public network.

    site A (10.1.1.0/24)                 public network                 site B (10.1.1.0/24)
    phone, phone, agent -- router A -- internet -- server       -- router B -- agent, phone
                                          |
                                     public phone

Both sites use the same private range on purpose. The public network routes host by host, so each
public address is reached over one interface, and a router can be given a new address at any time.
"""

from __future__ import annotations

import ipaddress
import shutil
import sys
import tempfile
import time
from pathlib import Path

from .capture import Capture, Tap
from .namespace import Namespace, SceneError
from .router import Nat, Router
from .waiting import until

DOMAIN = "example.org"
SERVER = "203.0.113.10"
SECOND_SERVER = "203.0.113.20"
SITE_ADDRESSES = {"a": "198.51.100.1", "b": "198.51.100.129", "c": "198.51.100.65"}
PUBLIC_PHONE = "192.0.2.50"
HOME_ROUTER = "192.0.2.99"

SERVER6 = "2001:db8:5::10"
SITE_PREFIXES6 = {"a": "2001:db8:a::", "b": "2001:db8:b::", "c": "2001:db8:c::"}

PUBLIC_GATEWAY = "100.64.0.1"  # shared address space (RFC 6598): the hop that every host sees


class Host:
    """A namespace with one interface, eth0."""

    def __init__(self, namespace: Namespace, address: str, address6: str | None = None):
        self.namespace = namespace
        self.address = address
        self.address6 = address6
        self.name = namespace.name


class Internet:
    """The public network: it routes single addresses to those who are attached."""

    def __init__(self, scene: "Scene"):
        self.namespace = scene.namespace("internet")
        self.namespace.sysctl("net.ipv4.ip_forward", 1)
        self.namespace.sysctl("net.ipv6.conf.all.forwarding", 1)
        self._count = 0

    def attach(self, host: Namespace, interface: str, wire: "BadWire | None" = None) -> str:
        """A wire from `host`'s new `interface`; returns the name of its other end here."""
        self._count += 1
        port = f"p{self._count}"
        far_end, holder = (interface, host) if wire is None else ("left", wire.namespace)
        self.namespace.ip(
            f"link add {port} type veth peer name {far_end} netns {holder.path}",
            f"addr add {PUBLIC_GATEWAY}/32 dev {port}",
            f"addr add fe80::1/64 dev {port} nodad",
            f"link set {port} up")
        if wire is not None:
            wire.connect(host, interface)
        host.ip(f"link set {interface} up",
                f"route add {PUBLIC_GATEWAY}/32 dev {interface}",
                f"route add default via {PUBLIC_GATEWAY} dev {interface} onlink",
                f"route add default via fe80::1 dev {interface}")
        return port

    def route(self, address: str, port: str) -> None:
        """Packets to `address` (or prefix) leave through `port`, whoever had it before."""
        self.namespace.ip(f"route replace {address} dev {port}")

    def route_via(self, prefix: str, gateway: str, port: str) -> None:
        self.namespace.ip(
            f"route replace {prefix} via {gateway} dev {port} onlink")

    def withdraw(self, address: str) -> None:
        self.namespace.ip(f"route del {address}")


class BadWire:
    """A wire that loses, reorders and doubles (wire.py), to be put between a router and the public
    network."""

    def __init__(self, scene: "Scene", name: str, loss: float = 0.05, jitter_ms: float = 30,
                 seed: int = 1, doubles: float = 0):
        self.namespace = scene.namespace(f"wire-{name}")
        self.folder = scene.folder_for(f"wire-{name}")
        self._parameters = [str(loss), str(jitter_ms), str(seed), str(doubles)]

    def connect(self, host: Namespace, interface: str) -> None:
        self.namespace.ip(f"link add right type veth peer name {interface} netns {host.path}",
                          "link set left up", "link set right up")
        process = self.namespace.spawn(
            [sys.executable, str(Path(__file__).with_name("wire.py")), "left", "right",
             *self._parameters], self.folder / "log")
        until(lambda: "carrying" in process.text() or not process.running, "the wire")
        if not process.running:
            raise SceneError(f"the wire broke: {process.tail()}")


class Site:
    """A private network with its router."""

    def __init__(self, scene: "Scene", name: str, nat: Nat, lan: str = "10.1.1.0/24",
                 wan: str | None = None, wire: BadWire | None = None):
        self.scene = scene
        self.name = name
        self.lan = ipaddress.ip_network(lan)
        self.lan6 = ipaddress.ip_network(SITE_PREFIXES6[name] + "/64")
        self.router = Router(scene, name, nat, self.lan, self.lan6,
                             wan or SITE_ADDRESSES[name], wire)
        self._count = 0

    def host(self, name: str, number: int) -> Host:
        """A host of the private network, with the address `number` of its range."""
        namespace = self.scene.namespace(f"{self.name}.{name}")
        self._count += 1
        port = f"lan{self._count}"
        address = str(self.lan[number])
        address6 = str(self.lan6[number])
        router = self.router.namespace
        router.ip(f"link add {port} type veth peer name eth0 netns {namespace.path}",
                  f"link set {port} master lan", f"link set {port} up")
        namespace.ip(
            f"addr add {address}/{self.lan.prefixlen} dev eth0",
            f"addr add {address6}/64 dev eth0 nodad", "link set eth0 up",
            f"route add default via {self.lan[1]}", f"route add default via {self.lan6[1]}")
        self.scene.capture.tap(namespace, "eth0")
        return Host(namespace, address, address6)


class Scene:
    """The whole figure. Use as a context manager: leaving it ends every process and namespace."""

    def __init__(self, name: str = "scene", folder: Path | None = None):
        self.name = name
        self._own_folder = folder is None
        # Short: Unix sockets lie in it, and their paths are limited to 107 octets.
        self.folder = folder or Path(tempfile.mkdtemp(prefix="sp-"))
        self.namespaces: list[Namespace] = []
        self.capture = Capture()
        self.sites: dict[str, Site] = {}
        self.began = time.time()
        self._closers: list = []
        self._closed = False
        self.internet = Internet(self)

    def __enter__(self) -> "Scene":
        return self

    def __exit__(self, kind, error, trace) -> None:
        self.close()

    def namespace(self, name: str) -> Namespace:
        made = Namespace(name)
        self.namespaces.append(made)
        return made

    def on_close(self, closer) -> None:
        """`closer` is called before the processes are ended, the latest first."""
        self._closers.append(closer)

    def site(self, name: str, nat: Nat = Nat.SYMMETRIC, **options) -> Site:
        self.sites[name] = Site(self, name, nat, **options)
        return self.sites[name]

    def public_host(self, name: str, address: str, address6: str | None = None) -> Host:
        """A host with a public address of its own."""
        namespace = self.namespace(name)
        port = self.internet.attach(namespace, "eth0")
        namespace.ip(f"addr add {address}/32 dev eth0",
                     f"route replace default via {PUBLIC_GATEWAY} dev eth0 src {address} onlink")
        self.internet.route(address, port)
        if address6:
            namespace.ip(f"addr add {address6}/128 dev eth0 nodad")
            self.internet.route(address6, port)
        self.capture.tap(namespace, "eth0")
        return Host(namespace, address, address6)

    def folder_for(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def tap(self, host: Host) -> Tap:
        return self.capture.tap(host.namespace, "eth0")

    def save_captures(self, folder: Path) -> None:
        for tap in self.capture.taps:
            tap.write(folder / f"{tap.name}.pcap")

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        for closer in reversed(self._closers):
            closer()
        self._closers.clear()
        for namespace in self.namespaces:
            for process in namespace._processes:
                process.kill()
        self.capture.close()
        for namespace in self.namespaces:
            namespace.close()
        self.namespaces.clear()
        if self._own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)


def listening(host: Host, port: int, protocol: str = "tcp", timeout: float = 10.0) -> None:
    """Waits until something in `host` listens on the port."""
    option = "-Hltn" if protocol == "tcp" else "-Hlun"
    until(lambda: host.namespace.run(["ss", option, f"sport = :{port}"]).strip(),
          f"{protocol} port {port} open at {host.name}", timeout)
