"""Figures of a whole server, with many real agents on it: run by script/bench --server.

The server is the product itself; its agents are played by agent_load, which shares the two cores with
it: over loopback, or wherever `place` says. State lies in memory (/dev/shm), so that the disk is not measured.
"""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from typing import NamedTuple

CONFIG = """\
state_dir = "{folder}/state"
admin_socket = "{folder}/server.sock"
[log]
level = "{log_level}"
[address]
advertised = ["{address}"]
allow_private_advertised = true
[multiplex]
listen = ["{address}:2776"]
[media]
listen = ["{address}"]
carriage = "{carriage}"
fast_path = "{fast_path}"
[sip]
listen = ["udp:{address}:5060"]
inside_tcp = 0
domains = ["load.example"]
authenticate = false
# The agents that are played have SIP phones alone: no port for anything else.
[h323]
enabled = false
[limits]
agents = 20000
registrations = 20000
"""


class Place(NamedTuple):
    address: str  # the server's
    first_flow: str  # address of the agents' first media flow; the others follow it
    here: list  # what the server's command begins with
    there: list  # and the load's


LOOPBACK = Place("127.0.0.1", "127.1.0.1", [], [])


def memory_kb(pid):
    """Resident memory of a process's own: pages of the program's file are not counted."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("RssAnon:"))


class Server:
    """The server's process, and the folder with its state and its agents' identities."""

    def __init__(self, program, tool, agents, place=LOOPBACK, fast_path="off", carriage="bound", log_level="error"):
        self.program, self.tool, self.agents, self.place = program, tool, agents, place
        self.settings = {"fast_path": fast_path, "carriage": carriage, "log_level": log_level}
        self.folder = tempfile.mkdtemp(prefix="sallyport-bench-", dir="/dev/shm")
        self.log = f"{self.folder}/log"
        self.process = None

    def __enter__(self):
        os.mkdir(f"{self.folder}/state")
        with open(f"{self.folder}/server.toml", "w", encoding="utf-8") as file:
            file.write(CONFIG.format(folder=self.folder, address=self.place.address, **self.settings))
        subprocess.run([self.tool, "enrol", "--identities", f"{self.folder}/ids", "--state-dir",
                        f"{self.folder}/state", "--server", f"{self.place.address}:2776", "--agents", str(self.agents)],
                       check=True)
        self.start()
        return self

    def __exit__(self, *_):
        self.stop(signal.SIGTERM)
        shutil.rmtree(self.folder)

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*self.place.here, self.program, "server", "--config", f"{self.folder}/server.toml"], stderr=log)
        end = time.monotonic() + 30
        while self.status() is None:
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the server does not start: {self.log_lines()[-3:]}")
            time.sleep(0.02)

    def stop(self, how):
        self.process.send_signal(how)
        self.process.wait(timeout=60)

    def status(self):
        told = subprocess.run([self.program, "status", "--json", "--config", f"{self.folder}/server.toml"],
                              capture_output=True, text=True, check=False)
        return json.loads(told.stdout) if told.returncode == 0 else None

    def log_lines(self):
        with open(self.log, encoding="utf-8") as file:
            return file.readlines()

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def memory_kb(self):
        return memory_kb(self.process.pid)

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="utf-8") as file:
            user, system = file.read().rsplit(")", 1)[1].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def load(self, mode, *options):
        """Starts agent_load; its lines are read by told()."""
        return subprocess.Popen(
            [*self.place.there, self.tool, mode, "--identities", f"{self.folder}/ids", "--agents", str(self.agents),
             "--pid", str(self.process.pid), *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def told(load, phase):
    for line in load.stdout:
        message = json.loads(line)
        if message["phase"] == phase:
            return message
    raise RuntimeError(f"agent_load ended before it told of '{phase}'")


def finish(load):
    load.stdin.close()
    if load.wait(timeout=60) != 0:
        raise RuntimeError("agent_load failed")


def wait_until(condition, what):
    end = time.monotonic() + 30
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"not in time: {what}")
        time.sleep(0.05)


def media(program, tool, calls, seconds, warm_up=2, place=LOOPBACK, fast_path="off"):
    """So many agent-to-agent calls, each RTP both ways, through one server."""
    with Server(program, tool, 100, place, fast_path) as server:
        load = server.load("media", "--calls", str(calls), "--warm-up", str(int(warm_up * 1000)),
                           "--measure", str(int(seconds * 1000)), "--first", place.first_flow)
        figures = told(load, "media")
        finish(load)
        return figures


def set_up(program, tool, rate, seconds):
    """Calls set up at that rate, each hung up after 2 s; and that nothing of them is left."""
    with Server(program, tool, 100) as server:
        before = server.cpu_seconds()
        load = server.load("calls", "--calls", str(int(rate * seconds)), "--rate", str(rate))
        figures = told(load, "calls")
        figures["cpu_ms_per_call"] = (server.cpu_seconds() - before) * 1000 / figures["calls"]
        finish(load)
        wait_until(lambda: server.status()["media"]["ends"] == 0, "the calls' media ends to close")
        return figures


def idle(program, tool, agents, registered):
    """What an agent that only keeps its connection takes of the server's memory."""
    with Server(program, tool, agents) as server:
        before = server.memory_kb()
        load = server.load("idle", *(["--register"] if registered else []))
        ready = told(load, "ready")
        if registered:
            told(load, "registered")
        time.sleep(20)  # a ping or two of each, so that what these need is there
        after = server.memory_kb()
        cpu = server.cpu_seconds()
        time.sleep(10)
        busy = (server.cpu_seconds() - cpu) / 10
        finish(load)
        return {"agents": agents, "connected_in_s": ready["seconds"], "kb_each": (after - before) / agents,
                "cpu_percent": busy * 100}


def reconnect(program, tool, agents):
    """The server is killed and started again: when is everybody back?"""
    with Server(program, tool, agents) as server:
        load = server.load("idle")
        told(load, "ready")
        server.stop(signal.SIGKILL)
        server.start()
        began = server.cpu_seconds()
        back = told(load, "again")
        back["cpu_s"] = server.cpu_seconds() - began
        finish(load)
        return back


def print_all(build):
    program, tool = os.path.join(build, "src", "sallyport"), os.path.join(build, "bench", "agent_load")
    print("\nset-up of agent-to-agent calls, each hung up after 2 s\n")
    print("| rate | calls | answered | p50 ms | p99 ms | CPU ms per call |\n| --- | --- | --- | --- | --- | --- |")
    for rate in (100, 300):
        it = set_up(program, tool, rate, 20)
        print(f"| {rate}/s | {it['calls']} | {it['answered']} | {it['p50_ms']:.1f} | {it['p99_ms']:.1f} "
              f"| {it['cpu_ms_per_call']:.2f} |", flush=True)
    print("\nidle agents on one server\n")
    print("| agents | each with a registered phone | KB of server memory each | server's CPU | all connected after |"
          "\n| --- | --- | --- | --- | --- |")
    for registered in (False, True):
        it = idle(program, tool, 10000, registered)
        print(f"| {it['agents']} | {'yes' if registered else 'no'} | {it['kb_each']:.1f} "
              f"| {it['cpu_percent']:.1f} % of a core | {it['connected_in_s']:.0f} s |", flush=True)
    print("\nserver killed (SIGKILL) and started again\n")
    print("| agents | median back after | last back after | server's CPU |\n| --- | --- | --- | --- |")
    it = reconnect(program, tool, 2000)
    print(f"| {it['agents']} | {it['median_s']:.1f} s | {it['last_s']:.1f} s | {it['cpu_s']:.1f} s |", flush=True)
