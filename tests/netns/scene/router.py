"""A site's router: NAPT and a default-drop firewall, in nftables, as an enterprise would set it.

The firewall holds the rules of Table 1 (WO 02/45373) and nothing else: it does not even accept
what conntrack calls established. It counts what it was given and what it let through.
"""

from __future__ import annotations

import contextlib
import enum
import ipaddress
import json
from typing import TYPE_CHECKING

from .namespace import Namespace

if TYPE_CHECKING:
    from .figure1 import Scene


class Nat(enum.Enum):
    PORT_RESTRICTED = "port-restricted"  # keeps the source port where it can
    SYMMETRIC = "symmetric"  # a fresh random port for each pair of addresses
    ONE_TO_ONE = "1-to-1"  # one private host owns the public address
    NONE = "none"  # the site's addresses are public


# The ports of Table 1: X for RTP, Y for RTCP, Z for the multiplex connection.
X, Y, Z = 2776, 2777, 2776


def table_1(agent: str, server: str, x: int = X, y: int = Y, z: int = Z) -> str:
    """The six rules as an nftables ruleset; `agent` and `server` are addresses or prefixes."""
    family = "ip6" if ":" in server else "ip"
    return f"""
table inet sallyport {{
  chain forward {{
    type filter hook forward priority filter; policy drop;
    {family} saddr {agent} {family} daddr {server} tcp dport {z} accept
    {family} saddr {server} {family} daddr {agent} tcp sport {z} accept
    {family} saddr {agent} {family} daddr {server} udp dport {x} accept
    {family} saddr {server} {family} daddr {agent} udp sport {x} accept
    {family} saddr {agent} {family} daddr {server} udp dport {y} accept
    {family} saddr {server} {family} daddr {agent} udp sport {y} accept
  }}
}}
"""


class Router:
    def __init__(self, scene: "Scene", site: str, nat: Nat, lan, lan6, wan: str, wire=None):
        self.scene = scene
        self.nat = nat
        self.lan = lan
        self.lan6 = lan6
        self.wan = wan
        self.public_addresses: set[str] = {wan}  # all that it ever had
        self.namespace: Namespace = scene.namespace(f"router-{site}")
        namespace = self.namespace
        namespace.sysctl("net.ipv4.ip_forward", 1)
        namespace.sysctl("net.ipv6.conf.all.forwarding", 1)
        # The private network is a switch: what two of its hosts say to each other is no business of
        # the firewall, which some kernels would ask.
        for key in ("net.bridge.bridge-nf-call-iptables", "net.bridge.bridge-nf-call-ip6tables"):
            with contextlib.suppress(FileNotFoundError):
                namespace.sysctl(key, 0)
        self.internet_port = scene.internet.attach(namespace, "wan", wire)
        namespace.ip(
            # With an address of its own: else it takes the lowest of its ports', and each new host may
            # change the one under which the others know their gateway.
            "link add lan address 02:00:00:00:00:01 type bridge", "link set lan up",
            f"addr add {lan[1]}/{lan.prefixlen} dev lan",
            f"addr add {lan6[1]}/64 dev lan nodad")
        self.wan6 = str(ipaddress.ip_address(int(lan6[0]) + (1 << 64)))
        namespace.ip(f"addr add {self.wan6}/128 dev wan nodad")
        scene.internet.route(self.wan6, self.internet_port)
        link_local = self._link_local()
        scene.internet.route_via(str(lan6), link_local, self.internet_port)
        if nat is Nat.NONE:
            scene.internet.route_via(str(lan), wan, self.internet_port)
        self._take_address(wan)
        self.namespace.nft(self._nat_rules())
        self._count_forwarded()
        self.tap = scene.capture.tap(namespace, "wan")

    def _link_local(self) -> str:
        """The link-local address by which the public network reaches this router."""
        self.namespace.ip("addr add fe80::2/64 dev wan nodad")
        return "fe80::2"

    def _take_address(self, address: str) -> None:
        from .figure1 import PUBLIC_GATEWAY
        self.namespace.ip(
            f"addr add {address}/32 dev wan",
            f"route replace default via {PUBLIC_GATEWAY} dev wan src {address} onlink")
        self.scene.internet.route(address, self.internet_port)

    def _nat_rules(self) -> str:
        if self.nat is Nat.NONE:
            return ""
        if self.nat is Nat.ONE_TO_ONE:
            # The agent (host 2) owns the public address, ports unchanged; the others get nothing.
            return f"""
table ip nat {{
  chain prerouting {{
    type nat hook prerouting priority dstnat;
    iifname "wan" ip daddr {self.wan} dnat to {self.lan[2]}
  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat;
    oifname "wan" ip saddr {self.lan[2]} snat to {self.wan}
  }}
}}
"""
        flag = "fully-random" if self.nat is Nat.SYMMETRIC else ""
        return f"""
table ip nat {{
  chain postrouting {{
    type nat hook postrouting priority srcnat;
    oifname "wan" ip saddr {self.lan} masquerade {flag}
  }}
}}
"""

    def _count_forwarded(self) -> None:
        self.namespace.nft("""
table inet counting {
  counter given {}
  counter passed {}
  chain before { type filter hook forward priority filter - 10; counter name given; }
  chain after { type filter hook forward priority filter + 10; counter name passed; }
}
""")

    def firewall(self, ruleset: str) -> None:
        """Loads a ruleset as printed for this site (`sallyport firewall`), beside the NAT."""
        self.namespace.nft(ruleset)

    def dropped(self) -> int:
        """How many packets the firewall has refused to forward, either way."""
        listing = json.loads(self.namespace.run(["nft", "-j", "list", "counters"]))
        counts = {item["counter"]["name"]: item["counter"]["packets"]
                  for item in listing["nftables"] if "counter" in item}
        return counts["given"] - counts["passed"]

    def forget_after(self, seconds: int) -> None:
        """UDP mappings live this long without traffic (RFC 4787 REQ-5 asks for two minutes)."""
        self.namespace.sysctl("net.netfilter.nf_conntrack_udp_timeout", seconds)
        self.namespace.sysctl("net.netfilter.nf_conntrack_udp_timeout_stream", seconds)

    def flush(self) -> None:
        """Forgets every mapping, as a router does that is switched off and on.

        A TCP connection is not picked up in the middle again, so it is dead without a word.
        """
        self.namespace.sysctl("net.netfilter.nf_conntrack_tcp_loose", 0)
        self.namespace.nft("""
table inet forgetful {
  chain forward { type filter hook forward priority filter - 5; ct state invalid drop; }
}
""")
        self.namespace.run(["conntrack", "-F"])

    def renumber(self, address: str) -> None:
        """The provider gives this router another public address; the old one is gone."""
        old = self.wan
        self.wan = address
        self.public_addresses.add(address)
        self._take_address(address)
        self.namespace.ip(f"addr del {old}/32 dev wan")
        self.scene.internet.withdraw(old)
        self.flush()

    def sip_helper(self) -> None:
        """What many routers do to SIP on 5060: follow it, and rewrite what they think is an address."""
        self.namespace.nft("""
table ip alg {
  ct helper sip-udp { type "sip" protocol udp; }
  ct helper sip-tcp { type "sip" protocol tcp; }
  chain prerouting {
    type filter hook prerouting priority filter;
    udp dport 5060 ct helper set "sip-udp"
    tcp dport 5060 ct helper set "sip-tcp"
  }
}
""")
