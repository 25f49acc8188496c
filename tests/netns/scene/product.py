"""Sallyport itself in the scene: the server and the agents, as people run them.

Everything goes the way a person goes: a TOML file, `sallyport invite`, `sallyport join`, and the
commands that print JSON. The logs are JSON lines; tests await events in them.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sqlite3
import subprocess
from pathlib import Path

from .dns import NameServer
from .figure1 import DOMAIN, Host, Scene, listening
from .namespace import SceneError
from .router import X, Y, Z
from .waiting import NotInTime, until

TOP = Path(__file__).resolve().parents[3]


def binary() -> str:
    """The program under test: NETNS_SALLYPORT, or the newest build in this tree."""
    named = os.environ.get("NETNS_SALLYPORT")
    if named:
        return str(Path(named).resolve())
    for preset in ("release", "debug"):
        built = TOP / "build" / preset / "src" / "sallyport"
        if built.exists():
            return str(built)
    raise SceneError("no sallyport binary: build it first (cmake --preset release; "
                     "cmake --build --preset release), or name it in NETNS_SALLYPORT")


def sanitized() -> bool:
    """Whether it was built with AddressSanitizer."""
    return b"__asan_init" in Path(binary()).read_bytes()


def toml(settings: dict) -> str:
    """Keys as `section.key`; values are strings, numbers, booleans, lists and tables of them."""
    return "".join(f"{key} = {_toml_value(value)}\n" for key, value in settings.items())


def _toml_value(value) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {_toml_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_toml_value(item) for item in value) + "]"
    return json.dumps(value)


class Side:
    """What server and agent have in common: a file, a process, a log, commands."""

    kind = ""

    def __init__(self, scene: Scene, host: Host, name: str, settings: dict,
                 name_server: NameServer | None = None):
        self.name_server = name_server
        self.scene = scene
        self.host = host
        self.name = name
        self.folder = scene.folder_for(name)
        self.settings = {
            "state_dir": str(self.folder / "state"),
            "admin_socket": str(self.folder / "admin.sock"),
            "log.level": "debug",
            **settings,
        }
        self.file = self.folder / "sallyport.toml"
        self.log_file = self.folder / "log"
        self.process = None
        self._read_to = 0
        self._events: list[dict] = []
        self.write_config()

    def write_config(self) -> None:
        self.file.write_text(toml(self.settings))

    def start(self, env: dict[str, str] | None = None) -> None:
        """Starts the process. It is not awaited: await what it is to do."""
        command = [binary(), self.kind, "--config", str(self.file)]
        if self.name_server is not None:
            command = self.name_server.wrap(command)
        self.process = self.host.namespace.spawn(command, self.log_file, env)

    def stop(self, number: int = signal.SIGTERM, timeout: float = 15) -> int:
        """Ends the process by that signal; returns its exit status."""
        assert self.process is not None
        self.process.signal(number)
        return self.process.wait(timeout)

    def command(self, *arguments: str, stdin: str | None = None) -> str:
        """Runs `sallyport ...` against this side; returns what it printed."""
        return self.host.namespace.run(
            [binary(), *arguments, "--config", str(self.file)], stdin=stdin)

    def json(self, *arguments: str):
        return json.loads(self.command(*arguments, "--json"))

    def media_ends(self) -> int:
        """The media ports and flows that are open there; none while it does not run."""
        if self.process is None or not self.process.running:
            return 0
        return self.json("status").get("media", {}).get("ends", 0)

    # --- the log ---

    def events(self, what: str | None = None, begin: int = 0, **fields) -> list[dict]:
        """Log lines so far, from number `begin` on: those of that event, with those fields."""
        self._read_log()
        return [event for event in self._events[begin:]
                if (what is None or event.get("event") == what)
                and all(event.get(key) == value for key, value in fields.items())]

    def mark(self) -> int:
        """The number of log lines so far, to look only at later ones."""
        self._read_log()
        return len(self._events)

    def await_event(self, what: str, begin: int = 0, timeout: float = 20.0, **fields) -> dict:
        def found():
            matching = self.events(what, begin, **fields)
            if not matching and self.process is not None and not self.process.running:
                raise SceneError(f"{self.name} ended with {self.process.returncode}: "
                                 f"{self.tail()}")
            return matching

        return until(found, lambda: f"event {what!r} {fields or ''} at {self.name}; "
                                    f"its log: {self.tail()}", timeout)[0]

    def tail(self, lines: int = 12) -> str:
        if not self.log_file.exists():
            return "(no log)"
        return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-lines:])

    def assert_healthy(self) -> None:
        """Still running, and nothing in its log says that it should not be."""
        assert self.process is not None and self.process.running, \
            f"{self.name} ended: {self.tail()}"
        self.assert_no_error_report()

    def assert_no_error_report(self) -> None:
        text = self.log_file.read_text(errors="replace")
        assert "ERROR: AddressSanitizer" not in text and "runtime error:" not in text, self.tail()

    def _read_log(self) -> None:
        if not self.log_file.exists():
            return
        with self.log_file.open("rb") as log:
            log.seek(self._read_to)
            data = log.read()
        whole = data.rfind(b"\n") + 1
        self._read_to += whole
        for line in data[:whole].splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue  # a sanitizer's report, or a line of a dying process
            if isinstance(event, dict):
                self._events.append(event)


class Server(Side):
    kind = "server"

    def __init__(self, scene: Scene, host: Host, name: str = "srv", domain: str = DOMAIN,
                 settings: dict | None = None, name_server: NameServer | None = None):
        advertised = [host.address] + ([host.address6] if host.address6 else [])
        self.domain = domain
        self.x, self.y, self.z = X, Y, Z
        super().__init__(scene, host, name, {
            "address.advertised": advertised,
            "sip.domains": [domain],
            **(settings or {}),
        }, name_server)
        self.address = self.settings["address.advertised"][0]
        self.x = self.settings.get("media.x", X)
        self.y = self.settings.get("media.y", Y)

    def start(self, await_ready: bool = True) -> None:
        super().start()
        if await_ready:
            self.await_ready()

    def await_ready(self) -> None:
        """Agents can connect and commands are answered."""
        listening(self.host, self.z)
        until(self._answers, lambda: f"an answer on the admin socket; log: {self.tail()}")

    def _answers(self) -> bool:
        try:
            self.json("status")
            return True
        except SceneError:
            if not self.process.running:
                raise SceneError(f"the server ended: {self.tail()}") from None
            return False

    def add_user(self, user: str, password: str, domain: str | None = None) -> None:
        self.command("user", "add", f"{user}@{domain or self.domain}", "--password-stdin",
                     stdin=password + "\n")

    def invite(self, agent: str) -> str:
        """The token of a fresh invite."""
        printed = self.command("invite", agent)
        found = re.search(r"sallyport join (\S+)", printed)
        if not found:
            raise NotInTime(f"no join line in: {printed}")
        return found.group(1)

    def agents_connected(self) -> set[str]:
        return {agent["name"] for agent in self.json("agents") if agent["connected"]}

    def await_agent(self, name: str, timeout: float = 30.0) -> None:
        until(lambda: name in self.agents_connected(),
              lambda: f"agent {name} at the server; log: {self.tail()}", timeout)

    def firewall(self, agent: str) -> str:
        """The rules for a firewall between this server and that agent's address, as printed."""
        address = self.host.address6 if ":" in agent else self.address
        literal = f"[{address}]" if ":" in agent else address
        return self.command("firewall", "--drop", "--server-address", f"{literal}:{self.z}",
                            "--agent-address", agent, "--x", str(self.x), "--y", str(self.y))

    def calls(self) -> list[dict]:
        return self.json("calls")

    def journalled(self) -> int:
        """How many parties it would have to tell if it were killed now."""
        file = Path(self.settings["state_dir"]) / "server.db"
        with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
            return database.execute("SELECT count(*) FROM journal").fetchone()[0]


class Agent(Side):
    kind = "agent"

    def __init__(self, scene: Scene, host: Host, name: str, settings: dict | None = None):
        super().__init__(scene, host, name, {
            "terminals.listen": [host.address] + ([host.address6] if host.address6 else []),
            "policy.terminals": ["10.0.0.0/8", "192.168.0.0/16", "2001:db8::/32"],
            **(settings or {}),
        })

    def join(self, server: Server) -> None:
        self.command("join", server.invite(self.name))

    @property
    def audit_file(self) -> Path:
        return Path(self.settings["state_dir"]) / "agent-audit.jsonl"

    def verify_audit(self) -> str:
        return self.command("audit", "verify")
