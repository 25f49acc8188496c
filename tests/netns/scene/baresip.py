"""A real phone: baresip, driven over its control socket (module ctrl_tcp).

Each phone plays a tone of its own and records what it hears, so a test can tell by content who is
heard where.
"""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from pathlib import Path

from .figure1 import Host, Scene
from .namespace import SceneError
from .waiting import NotInTime, until

CONTROL_PORT = 4444
MODULES = "/usr/lib/baresip/modules"

CONFIG = """\
poll_method epoll
sip_listen {listen}
{sip_extra}
call_local_timeout 120
call_max_calls 8
module_path {modules}
module_app account.so
module_app menu.so
module_app ctrl_tcp.so
module g711.so
module ausine.so
module aubridge.so
module sndfile.so
{srtp}
ctrl_tcp_listen 127.0.0.1:{control}
audio_source ausine,{tone}
audio_player aubridge,nowhere
audio_alert aubridge,nowhere
ausrc_srate 48000
ausrc_channels 2
auplay_srate 8000
auplay_channels 1
audio_level no
audio_buffer 20-160
jitter_buffer_delay 1-10
snd_path recordings
rtp_stats no
rtp_ports {rtp_ports}
net_interface eth0
"""


class Baresip:
    """One phone. `domain` is what it registers at, by way of `proxy` (the agent's address)."""

    def __init__(self, scene: Scene, host: Host, user: str, tone: int, domain: str | None = None,
                 proxy: str | None = None, password: str = "", transport: str = "udp",
                 sip_port: int = 5060, register: bool = True, expires: int = 600,
                 rtp_ports: str = "20000-20199", account: str = "", ipv6: bool = False,
                 srtp: bool = False, sip_extra: str = ""):
        self.scene = scene
        self.host = host
        self.user = user
        self.tone = tone
        self.address = (host.address6 or "") if ipv6 else host.address
        self.events: list[dict] = []
        self.folder = scene.folder_for(f"{host.name}.{user}")
        self.recordings = self.folder / "recordings"
        self.recordings.mkdir(exist_ok=True)
        literal = f"[{self.address}]" if ipv6 else self.address
        self.uri = f"sip:{user}@{domain or f'{literal}:{sip_port}'}"
        self._control: socket.socket | None = None
        self._replies: dict[str, dict] = {}
        self._token = 0
        config = CONFIG.format(
            listen=f"{literal}:{sip_port}", modules=MODULES, control=CONTROL_PORT, tone=tone,
            rtp_ports=rtp_ports, sip_extra=sip_extra,
            srtp="module srtp.so" if srtp else "")
        (self.folder / "config").write_text(config)
        parameters = [f"regint={expires if register else 0}", "audio_codecs=PCMU/8000/1,PCMA/8000/1",
                      "ptime=20"]
        if proxy:
            parameters.append(f'outbound="sip:{proxy};transport={transport}"')
        if password:
            parameters += [f"auth_user={user}", f"auth_pass={password}"]
        if account:
            parameters.append(account)
        uri = self.uri if transport == "udp" else f"{self.uri};transport={transport}"
        (self.folder / "accounts").write_text(f"<{uri}>;{';'.join(parameters)}\n")
        self.process = host.namespace.spawn(
            ["baresip", "-f", str(self.folder)] + (["-6"] if ipv6 else ["-4"]) + ["-s"],
            self.folder / "log", cwd=self.folder)
        self._connect()

    # --- what a person does at the phone ---

    def command(self, name: str, parameters: str = "") -> dict:
        """Types one of baresip's own commands; returns its answer."""
        self._token += 1
        token = str(self._token)
        order = {"command": name, "token": token}
        if parameters:
            order["params"] = parameters
        body = json.dumps(order).encode()
        assert self._control is not None
        self._control.sendall(b"%d:%s," % (len(body), body))
        reply = until(lambda: self._replies.pop(token, None), f"an answer to {name} by {self}")
        if not reply.get("ok"):
            raise SceneError(f"{self} refused {name} {parameters}: {reply}")
        return reply

    def dial(self, uri: str) -> float:
        """Starts a call; returns when that was."""
        began = time.time()
        self.command("dial", uri)
        return began

    def accept(self) -> None:
        self.command("accept")

    def hang_up(self) -> None:
        self.command("hangup")

    def hold(self) -> None:
        self.command("hold")

    def resume(self) -> None:
        self.command("resume")

    def transfer(self, uri: str) -> None:
        self.command("transfer", uri)

    # --- what it tells ---

    def seen(self, kind: str, begin: float = 0.0) -> list[dict]:
        return [event for event in tuple(self.events)
                if event["type"] == kind and event["at"] >= begin]

    def await_event(self, kind: str, begin: float = 0.0, timeout: float = 20.0) -> dict:
        """The first event of that kind (REGISTER_OK, CALL_INCOMING, CALL_ESTABLISHED, ...)."""
        return until(lambda: self.seen(kind, begin),
                     lambda: f"{kind} at {self}; it saw {[e['type'] for e in self.events]}\n"
                             f"{self.process.tail()}", timeout)[0]

    def registrations(self) -> list[int]:
        """The final answers to its REGISTERs so far. Read from the phone's own log: the first may
        come before anybody listens to its events."""
        return [int(status) for status in re.findall(
            r"^(?:\S+: (?:\x1b\[[0-9;]*m)?\{\d/\w+/v\d\}|\x1b\[31mreg: \S+:) (\d{3}) ",
            self.process.text(), re.M)]

    def await_registered(self, timeout: float = 20.0) -> None:
        until(lambda: 200 in self.registrations(),
              lambda: f"registration of {self}:\n{self.process.tail(40)}", timeout)

    def recording(self) -> Path:
        """The WAV file of what was heard in the latest call."""
        files = sorted(self.recordings.glob("dump-*-dec.wav"), key=lambda f: f.stat().st_mtime)
        if not files:
            raise NotInTime(f"{self} recorded nothing")
        return files[-1]

    def quit(self) -> None:
        """Switches the phone off in good order (it unregisters)."""
        if self.process.running:
            self.process.signal(2)
            self.process.wait(15)

    def __str__(self) -> str:
        return f"{self.user}@{self.host.name}"

    # --- the control socket: netstrings of JSON ---

    def _connect(self) -> None:
        def attempt():
            if not self.process.running:
                raise SceneError(f"baresip ended: {self.process.tail()}")
            try:
                return self.host.namespace.connect(("127.0.0.1", CONTROL_PORT))
            except OSError:
                return None

        self._control = until(attempt, f"the control socket of {self}")
        self._control.settimeout(None)
        threading.Thread(target=self._read, name=f"events of {self}", daemon=True).start()

    def _read(self) -> None:
        pending = b""
        assert self._control is not None
        while True:
            try:
                data = self._control.recv(65536)
            except OSError:
                return
            if not data:
                return
            pending += data
            while b":" in pending:
                length, rest = pending.split(b":", 1)
                if len(rest) <= int(length):
                    break
                body, pending = rest[:int(length)], rest[int(length) + 1:]
                try:
                    message = json.loads(body.decode(errors="replace"))
                except ValueError:
                    continue  # it escapes nothing: a quote in a name makes it what JSON is not
                self._take(message)

    def _take(self, message: dict) -> None:
        if message.get("response"):
            self._replies[message.get("token", "")] = message
        else:
            message["at"] = time.time()
            self.events.append(message)
