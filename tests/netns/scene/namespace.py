"""Network namespaces that cannot be left behind.

A namespace here has no name in /run/netns: it lives as long as this process holds its descriptor
or a process runs inside it, and every process started inside it dies with this one. So a crash of
the tests, even SIGKILL, leaves nothing on the host, and any number of runs go side by side.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


class SceneError(Exception):
    """The scene itself could not be built: the host lacks something, or a command failed."""


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise SceneError(f"{what}: {os.strerror(number)}")


class Namespace:
    """One host of the scene: its own interfaces, routes, firewall, and processes."""

    def __init__(self, name: str):
        self.name = name
        self._processes: list[Process] = []
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _checked(_libc.unshare(CLONE_NEWNET), f"new network namespace for {name}")
            self.fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            _checked(_libc.setns(home, CLONE_NEWNET), "return to the namespace of the tests")
            os.close(home)
        self.ip("link set lo up")

    @property
    def path(self) -> str:
        """A path by which `ip link ... netns PATH` finds this namespace."""
        return f"/proc/{os.getpid()}/fd/{self.fd}"

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """The calling thread is inside for the length of the block; sockets made there stay there."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _checked(_libc.setns(self.fd, CLONE_NEWNET), f"enter {self.name}")
            try:
                yield
            finally:
                _checked(_libc.setns(home, CLONE_NEWNET), "return to the namespace of the tests")
        finally:
            os.close(home)

    def socket(self, family: int = socket.AF_INET, kind: int = socket.SOCK_DGRAM, proto: int = 0):
        with self.entered():
            return socket.socket(family, kind, proto)

    def connect(self, address: tuple[str, int], timeout: float = 5.0) -> socket.socket:
        """A TCP connection from inside this namespace."""
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        stream = self.socket(family, socket.SOCK_STREAM)
        stream.settimeout(timeout)
        try:
            stream.connect(address)
        except OSError:
            stream.close()
            raise
        return stream

    def sysctl(self, key: str, value: int | str) -> None:
        with self.entered():
            Path("/proc/sys", *key.split(".")).write_text(str(value))

    def run(self, command: Sequence[str], stdin: str | None = None, check: bool = True) -> str:
        """Runs to the end; returns its standard output."""
        done = subprocess.run(
            command, input=stdin, text=True, capture_output=True, preexec_fn=self._enter_child,
            check=False)
        if check and done.returncode != 0:
            raise SceneError(
                f"in {self.name}: {' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}"
                + (f"\n{stdin}" if stdin else ""))
        return done.stdout

    def ip(self, *lines: str) -> None:
        """Commands of ip(8), one a line, in one process."""
        self.run(["ip", "-batch", "-"], stdin="\n".join(lines) + "\n")

    def nft(self, text: str) -> None:
        self.run(["nft", "-f", "-"], stdin=text)

    def spawn(self, command: Sequence[str], log: Path, env: dict[str, str] | None = None,
              cwd: Path | None = None) -> "Process":
        """Starts a process that ends with the namespace; its output goes to `log`."""
        process = Process(self, command, log, env, cwd)
        self._processes.append(process)
        return process

    def close(self) -> None:
        for process in self._processes:
            process.kill()
        self._processes.clear()
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def _enter_child(self) -> None:
        # Runs between fork and exec. The child dies with the thread that started it (prctl(2)), so
        # processes are started from the main thread only.
        if _libc.setns(self.fd, CLONE_NEWNET) != 0:
            os._exit(126)
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """A program running in a namespace."""

    def __init__(self, where: Namespace, command: Sequence[str], log: Path,
                 env: dict[str, str] | None, cwd: Path | None):
        self.where = where
        self.command = list(command)
        self.log = log
        with log.open("ab") as out:
            self._popen = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})}, cwd=cwd, preexec_fn=where._enter_child)

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def running(self) -> bool:
        return self._popen.poll() is None

    @property
    def returncode(self) -> int | None:
        return self._popen.poll()

    def signal(self, number: int) -> None:
        if self.running:
            self._popen.send_signal(number)

    def wait(self, timeout: float) -> int:
        """The exit status, once it has ended; raises SceneError when it does not end in time."""
        try:
            return self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise SceneError(f"{self.command[0]} in {self.where.name} did not end in {timeout} s; "
                             f"its output: {self.tail()}") from None

    def kill(self) -> None:
        if self.running:
            self._popen.kill()
        self._popen.wait()

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def tail(self, lines: int = 15) -> str:
        return "\n".join(self.text().splitlines()[-lines:])
