"""An MGCP call agent, small and literal: it says what a test tells it, and remembers what it hears."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field

from .figure1 import Host
from .namespace import SceneError
from .waiting import until

PORT = 2727
GATEWAY_PORT = 2427


@dataclass(frozen=True)
class Answer:
    code: int
    parameters: dict[str, str] = field(default_factory=dict)
    text: str = ""

    @property
    def media(self) -> tuple[str, int]:
        """Where the described audio stream is received."""
        address = re.search(r"^c=IN IP4 (\S+)", self.text, re.MULTILINE)
        port = re.search(r"^m=audio (\d+)", self.text, re.MULTILINE)
        assert address and port, self.text
        return address[1], int(port[1])


def description(media: tuple[str, int]) -> str:
    address, port = media
    return (f"v=0\r\no=- 1 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n"
            f"m=audio {port} RTP/AVP 0\r\n")


class CallAgent:
    """Reaches every gateway at one address; answers every command of theirs with 200."""

    def __init__(self, host: Host, gateways: str):
        self.host = host
        self.gateways = (gateways, GATEWAY_PORT)
        self.heard: list[str] = []  # commands, whole
        self.senders: set[str] = set()
        self._answers: dict[int, Answer] = {}
        self._last = 1000
        self._socket = host.namespace.socket()
        self._socket.bind((host.address, PORT))
        threading.Thread(target=self._listen, daemon=True).start()

    def command(self, verb: str, endpoint: str, *lines: str,
                media: tuple[str, int] | None = None) -> Answer:
        """Gives the command, again every half second, until there is a final answer."""
        self._last += 1
        number = self._last
        text = "\r\n".join([f"{verb} {number} {endpoint} MGCP 1.0", *lines]) + "\r\n"
        if media:
            text += "\r\n" + description(media)
        for _ in range(20):
            self._socket.sendto(text.encode(), self.gateways)
            try:
                until(lambda: number in self._answers, f"an answer to {text}", 0.5)
                return self._answers[number]
            except AssertionError:
                continue
        raise SceneError(f"no answer to {text}")

    def await_command(self, verb: str, endpoint: str) -> str:
        def found() -> list[str]:
            return [text for text in self.heard
                    if re.match(rf"{verb} \d+ {re.escape(endpoint)} ", text)]

        return until(found, lambda: f"{verb} of {endpoint}; heard: {self.heard}")[0]

    def close(self) -> None:
        self._socket.close()

    def _listen(self) -> None:
        while True:
            try:
                datagram, source = self._socket.recvfrom(65535)
            except OSError:
                return  # closed
            self.senders.add(source[0])
            for text in re.split(r"^\.\r?\n", datagram.decode(), flags=re.MULTILINE):
                if not text.strip():
                    continue
                first, number = text.split()[:2]
                if not first.isdigit():
                    self.heard.append(text)
                    self._socket.sendto(f"200 {number} OK\r\n".encode(), source)
                elif int(first) >= 200:
                    lines = dict(re.findall(r"^(\w+):[ \t]*(.*?)\r?$", text, re.MULTILINE))
                    self._answers[int(number)] = Answer(int(first), lines, text)
