"""The network that relays are measured in, and the relays, each a process of its own.

  namespace near          namespace relay           namespace far
  callers, 10.64/16 ----- 10.0.0.1 ---------------- callees, 10.65/16
           \\_______________ nothing between _______________/

Three veth pairs. Callers and callees are one process (media_load), with a socket in either namespace;
so a packet that is relayed crosses two pairs, as on a host with two interfaces. What is relayed goes
to 10.0.0.1, whichever side it comes from.
"""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

RELAY = "10.0.0.1"
NEAR, FAR = "10.64.0.1", "10.65.0.1"  # the first stream's address; the others follow
NG_PORT = 22222
TURN_PORT = 3478


def run(*command):
    subprocess.run(command, check=True)


def inside(namespace, *command):
    return ["nsenter", f"--net=/run/netns/{namespace}", "--", *command]


def link(one, one_device, one_address, other, other_device, other_address):
    run("ip", "link", "add", one_device, "netns", one, "type", "veth", "peer", other_device, "netns", other)
    for namespace, device, address in ((one, one_device, one_address), (other, other_device, other_address)):
        run("ip", "-n", namespace, "address", "add", f"{address}/24", "dev", device)
        run("ip", "-n", namespace, "link", "set", device, "up")


def build():
    """In a mount namespace of the caller's own, so that nothing of it is left when it ends."""
    os.makedirs("/run/netns", exist_ok=True)
    run("mount", "-t", "tmpfs", "tmpfs", "/run/netns")
    for namespace in ("near", "relay", "far"):
        run("ip", "netns", "add", namespace)
        run("ip", "-n", namespace, "link", "set", "lo", "up")
        for which in ("all", "default"):
            run(*inside(namespace, "sysctl", "-qw", f"net.ipv4.conf.{which}.rp_filter=0"))
    link("near", "to-relay", "10.0.1.2", "relay", "to-near", "10.0.1.1")
    link("far", "to-relay", "10.0.2.2", "relay", "to-far", "10.0.2.1")
    link("near", "to-far", "10.0.3.2", "far", "to-near", "10.0.3.1")
    run("ip", "-n", "relay", "address", "add", f"{RELAY}/32", "dev", "lo")
    for namespace, own, route, way in (("near", "10.64.0.0/16", RELAY, "10.0.1.1"),
                                       ("near", None, "10.65.0.0/16", "10.0.3.1"),
                                       ("far", "10.65.0.0/16", RELAY, "10.0.2.1"),
                                       ("far", None, "10.64.0.0/16", "10.0.3.2"),
                                       ("relay", None, "10.64.0.0/16", "10.0.1.2"),
                                       ("relay", None, "10.65.0.0/16", "10.0.2.2")):
        run("ip", "-n", namespace, "route", "add", route, "via", way)
        if own:
            run("ip", "-n", namespace, "route", "add", "local", own, "dev", "lo")


def stop(process):
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Relay:
    """A relay's process, from its start until the block that it is used in ends."""

    def __init__(self, tools, kind, calls):
        self.tools, self.kind, self.calls = tools, kind, calls
        self.process = None
        self.scratch = tempfile.mkdtemp(prefix="sallyport-bench-")
        self.output = os.path.join(self.scratch, "output")

    def tool(self, name, *options):
        return [os.path.join(self.tools, name), "--listen", f"{RELAY}:2776", "--streams", str(2 * self.calls),
                "--first", NEAR, "--far-first", FAR, *options]

    def command(self):
        """What to run, how media_load sets up its calls there, and what shows that it is up."""
        said_ready = lambda: "ready\n" in open(self.output, encoding="utf-8").read()
        if self.kind == "flows":
            return self.tool("bench_relay"), "flows", said_ready
        if self.kind == "ports":
            return self.tool("bench_relay", "--ports"), "fixed", said_ready
        if self.kind in ("trunk", "trunk-sealed"):
            carriage = "sealed" if self.kind == "trunk-sealed" else "clear"
            return self.tool("bench_relay", "--trunk", carriage), "fixed", said_ready
        if self.kind == "flows-kernel":
            return self.tool("bench_relay", "--fast-path"), "flows", said_ready
        if self.kind == "ports-kernel":
            return self.tool("bench_relay", "--ports", "--fast-path"), "fixed", said_ready
        if self.kind == "forwarder":
            return self.tool("bare_forwarder"), "fixed", said_ready
        if self.kind == "tc":
            return self.tool("bare_tc", "--device", "to-near", "--far-device", "to-far", "--gateway", "10.0.1.2",
                             "--far-gateway", "10.0.2.2"), "fixed", said_ready
        if self.kind == "rtpengine":
            return ["rtpengine", "--foreground", "--config-file=none", "--table=-1", f"--interface={RELAY}",
                    f"--listen-ng={RELAY}:{NG_PORT}", "--port-min=10000", "--port-max=60000", "--log-level=3",
                    "--log-stderr", f"--num-threads={os.cpu_count()}", f"--pidfile={self.scratch}/pid"], \
                "rtpengine", lambda: self.listens(NG_PORT)
        assert self.kind == "coturn"
        return ["turnserver", "-c", "/dev/null", "--no-auth", "--no-tls", "--no-dtls", "--no-cli", "--no-tcp-relay",
                "--no-multicast-peers", "-L", RELAY, "-E", RELAY, "-p", str(TURN_PORT), "-r", "bench.example",
                "--min-port", "10000", "--max-port", "60000", "--relay-threads", str(os.cpu_count()),
                "--log-file", "stdout", "--db", f"{self.scratch}/turn.db", "--pidfile", f"{self.scratch}/pid"], \
            "turn", lambda: self.listens(TURN_PORT)

    def __enter__(self):
        self.set_up = "direct"
        if self.kind == "direct":
            return self
        command, self.set_up, is_up = self.command()
        with open(self.output, "w", encoding="utf-8") as out:
            self.process = subprocess.Popen(inside("relay", *command), stdout=out, stderr=out)
        end = time.monotonic() + 60
        while not is_up():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{self.kind} does not start: {open(self.output, encoding='utf-8').read()[:2000]}")
            time.sleep(0.05)
        return self

    def __exit__(self, *_):
        if self.process is not None:
            stop(self.process)
        if self.kind == "tc":
            for device in ("to-near", "to-far"):
                run("tc", "-n", "relay", "qdisc", "del", "dev", device, "clsact")
        shutil.rmtree(self.scratch)

    @staticmethod
    def listens(port):
        table = subprocess.run(inside("relay", "cat", "/proc/net/udp"), check=True, capture_output=True, text=True)
        return any(line.split()[1].endswith(f":{port:04X}") for line in table.stdout.splitlines()[1:])

    def measure(self, seconds, warm_up):
        control = f"{RELAY}:{TURN_PORT if self.kind == 'coturn' else NG_PORT}"
        command = [os.path.join(self.tools, "media_load"), self.set_up, "--calls", str(self.calls),
                   "--warm-up", str(int(warm_up * 1000)), "--measure", str(int(seconds * 1000)),
                   "--targets", self.output, "--control", control,
                   "--first", NEAR, "--far-first", FAR, "--far-namespace", "/run/netns/far"]
        if self.process is not None:
            command += ["--pid", str(self.process.pid)]
        done = subprocess.run(inside("near", *command), check=False, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"media_load against {self.kind}: {done.stderr}")
        return json.loads(done.stdout)
