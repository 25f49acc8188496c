"""The usual scenes with Sallyport in them, and what people do in them: calling and listening."""

from __future__ import annotations

import shutil
import time

from . import audio
from .baresip import Baresip
from .dns import NameServer
from .figure1 import DOMAIN, HOME_ROUTER, PUBLIC_PHONE, SERVER, SERVER6, BadWire, Host, Scene, Site
from .product import Agent, Server
from .router import Nat
from .sipp import Sipp
from .waiting import until

AGENT_NUMBER = 2
FIRST_PHONE_NUMBER = 11
PASSWORD = "correct-horse"


class World:
    """A server in the public network; sites with their agents as they are added."""

    def __init__(self, scene: Scene, server_settings: dict | None = None,
                 name_server: NameServer | None = None, start: bool = True,
                 cloud: bool = False):
        """`cloud`: the server has a private address; its provider maps a public one to it."""
        self.scene = scene
        if cloud:
            provider = scene.site("c", Nat.ONE_TO_ONE, lan="10.9.9.0/24", wan=SERVER)
            host = provider.host("server", 2)
            server_settings = {"address.advertised": [SERVER], **(server_settings or {})}
        else:
            host = scene.public_host("server", SERVER, SERVER6)
        self.server = Server(scene, host, settings=server_settings, name_server=name_server)
        if start:
            self.server.start()
        self.agents: dict[str, Agent] = {}
        self._tones = iter(audio.TONES)
        self._numbers: dict[str, int] = {}

    # --- places ---

    def add_site(self, name: str, nat: Nat = Nat.SYMMETRIC, *, forget_after: int | None = 20,
                 agent_settings: dict | None = None, server: Server | None = None,
                 firewall: bool = True, agent_number: int = AGENT_NUMBER, start: bool = True,
                 ipv6: bool = False, **options) -> Site:
        """A private network with its router, its firewall with Table 1's rules, and its agent."""
        server = server or self.server
        site = self.scene.site(name, nat, **options)
        host = site.host("agent", agent_number)
        if firewall:
            site.router.firewall(server.firewall((host.address6 if ipv6 else None) or host.address))
        if forget_after:
            site.router.forget_after(forget_after)
        self.add_agent(name, host, server, agent_settings, start)
        return site

    def add_agent(self, name: str, host: Host, server: Server | None = None,
                  settings: dict | None = None, start: bool = True) -> Agent:
        server = server or self.server
        agent = Agent(self.scene, host, f"agent-{name}", settings)
        agent.join(server)
        self.agents[name] = agent
        if start:
            agent.start()
            server.await_agent(agent.name)
        return agent

    def add_twin(self, name: str) -> Agent:
        """A second process with the identity of that site's agent; it is not started."""
        agent = self.agents[name]
        twin = Agent(self.scene, agent.host, f"{agent.name}-twin")
        shutil.copytree(agent.settings["state_dir"], twin.settings["state_dir"])
        return twin

    # --- people ---

    def phone(self, site: str, user: str, *, password: str = PASSWORD, number: int | None = None,
              host: Host | None = None, await_registered: bool = True, server: Server | None = None,
              domain: str | None = None, **options) -> Baresip:
        """A phone in a site, registered at the server by way of the site's agent."""
        server = server or self.server
        if host is None:
            number = number or self._numbers.get(site, FIRST_PHONE_NUMBER)
            self._numbers[site] = number + 1
            host = self.scene.sites[site].host(f"{user}{number}", number)
        agent = self.agents[site].host
        proxy = f"[{agent.address6}]" if options.get("ipv6") else agent.address
        server.add_user(user, password)
        domain = domain or server.domain
        phone = Baresip(self.scene, host, user, next(self._tones), domain=domain, proxy=proxy,
                        password=password, **options)
        if await_registered:
            phone.await_registered()
        return phone

    def sipp(self, site: str, user: str, *, transport: str = "u1", port: int = 5060,
             register: bool = True, number: int | None = None, domain: str | None = None) -> Sipp:
        """A sipp in a site, registered in the same way."""
        number = number or self._numbers.get(site, FIRST_PHONE_NUMBER)
        self._numbers[site] = number + 1
        host = self.scene.sites[site].host(f"{user}{number}", number)
        self.server.add_user(user, PASSWORD)
        made = Sipp(self.scene, host, user, f"{self.agents[site].host.address}:5060", port, transport)
        if register:
            made.register(PASSWORD)
        return made

    def public_phone(self, user: str, *, register: bool = False, home_nat: bool = False,
                     **options) -> Baresip:
        """A phone in the public network; with `register`, one that registers at the server."""
        if home_nat:
            site = self.scene.site("c", Nat.SYMMETRIC, lan="192.168.1.0/24", wan=HOME_ROUTER)
            site.router.forget_after(30)
            host = site.host(user, 50)
        else:
            host = self.scene.public_host(user, PUBLIC_PHONE)
        if register:
            self.server.add_user(user, PASSWORD)
            options = {"domain": self.server.domain, "proxy": self.server.address,
                       "password": PASSWORD, **options}
        phone = Baresip(self.scene, host, user, next(self._tones), register=register, **options)
        if register:
            phone.await_registered()
        return phone

    # --- calls ---

    def call(self, caller: Baresip, callee: Baresip, uri: str | None = None,
             listen: bool = True) -> None:
        """`caller` calls, `callee` answers, and each hears the other."""
        began = caller.dial(uri or callee.uri)
        callee.await_event("CALL_INCOMING", began)
        callee.accept()
        caller.await_event("CALL_ESTABLISHED", began)
        if listen:
            self.both_hear(caller, callee, began)

    def both_hear(self, one: Baresip, other: Baresip, begin: float, seconds: float = 1.0,
                  timeout: float = 20.0) -> None:
        """Each hears `seconds` of the other's tone after the moment `begin`."""
        self.hears(one, other, begin, seconds, timeout)
        self.hears(other, one, begin, seconds, timeout)

    def hears(self, listener: Baresip, speaker: Baresip, begin: float, seconds: float = 1.0,
              timeout: float = 20.0) -> None:
        until(lambda: self.heard(listener, speaker, begin).seconds >= seconds,
              lambda: f"{seconds} s of {speaker} heard by {listener}; "
                      f"heard {self.heard(listener, speaker, begin).seconds:.2f} s", timeout)

    def heard(self, listener: Baresip, speaker: Baresip, begin: float) -> audio.Heard:
        return audio.arriving(self.scene.tap(listener.host), listener.address, speaker.tone, begin)

    def hang_up(self, one: Baresip, other: Baresip) -> None:
        """`one` ends the call; both phones and the server agree that it is over."""
        began = time.time()
        one.hang_up()
        other.await_event("CALL_CLOSED", began)
        self.await_no_calls()

    def await_no_calls(self, timeout: float = 10.0) -> None:
        """No call is left, and no media port or flow of one, at the server or at an agent."""
        until(lambda: not self.server.calls(),
              lambda: f"no calls left at the server; it has {self.server.calls()}", timeout)
        for side in (self.server, *self.agents.values()):
            until(lambda side=side: side.media_ends() == 0,
                  lambda side=side: f"no media left open at {side.name}; "
                                    f"it has {side.media_ends()} ends", timeout)


def figure_1(scene: Scene, nat_a: Nat = Nat.SYMMETRIC, nat_b: Nat = Nat.SYMMETRIC,
             server_settings: dict | None = None, **site_options) -> World:
    """Two sites with the same private range, each behind NAPT and a firewall, and the server."""
    world = World(scene, server_settings)
    world.add_site("a", nat_a, **site_options)
    world.add_site("b", nat_b, **site_options)
    return world


__all__ = ["World", "figure_1", "BadWire", "DOMAIN"]
