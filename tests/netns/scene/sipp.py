"""Another real SIP endpoint, sipp, for what a phone's keypad cannot do: PRACK, UPDATE, INVITE
without SDP, odd methods, an echo that never speaks first, many calls at once.

A scenario is a list of steps; this file writes sipp's XML from it.

    calls = Scenario("alice").invite(sdp=audio_sdp()).receive(180).receive(200).ack().bye()
"""

from __future__ import annotations

import re
import xml.sax.saxutils
from dataclasses import dataclass, field
from pathlib import Path

from .figure1 import DOMAIN, Host, Scene
from .namespace import SceneError
from .waiting import until

MEDIA_PORT = 41000


def audio_sdp(port: int | str = "[media_port]", extra: str = "", direction: str = "sendrecv") -> str:
    """One audio stream of PCMU. [media_port] is the port that sipp's -rtp_echo answers on."""
    return ("v=0\n"
            "o=- 53655765 2353687637 IN IP[local_ip_type] [local_ip]\n"
            "s=-\n"
            "c=IN IP[local_ip_type] [local_ip]\n"
            "t=0 0\n"
            f"m=audio {port} RTP/AVP 0\n"
            "a=rtpmap:0 PCMU/8000\n"
            f"a={direction}\n" + extra)


def t38_sdp(port: int) -> str:
    """A fax over UDPTL (T.38), which is not RTP."""
    return ("v=0\n"
            "o=- 53655765 2353687637 IN IP[local_ip_type] [local_ip]\n"
            "s=-\n"
            "c=IN IP[local_ip_type] [local_ip]\n"
            "t=0 0\n"
            f"m=image {port} udptl t38\n"
            "a=T38FaxVersion:0\n"
            "a=T38FaxUdpEC:t38UDPRedundancy\n")


@dataclass
class Scenario:
    """What one endpoint does; `user` is who it is, at `domain`."""

    user: str
    domain: str = DOMAIN
    steps: list[str] = field(default_factory=list)
    _calls: bool = True  # it began the dialog

    # --- the side that calls ---

    def request(self, method: str, sdp: str | None = None, headers: str = "", uri: str | None = None,
                body: str | None = None, content_type: str = "application/sdp",
                retransmit: bool = True, branch: str = "[branch]", cseq: str = "[cseq]",
                to: str | None = None) -> "Scenario":
        """Sends a request: a new one to [service], or one in the dialog when there is one."""
        content = sdp if sdp is not None else body
        in_dialog = uri is None and any("rrs=" in step for step in self.steps)
        target = uri or ("[next_url]" if in_dialog else f"sip:[service]@{self.domain}")
        if self._calls:
            from_, to_ = (f"<sip:{self.user}@{self.domain}>;tag=[pid]c[call_number]",
                          to or f"<sip:[service]@{self.domain}>[peer_tag_param]")
        else:
            from_, to_ = "[$own]", "[$peer]"
            target = uri or "[$target]"
        lines = [
            f"{method} {target} SIP/2.0",
            f"Via: SIP/2.0/[transport] [local_ip]:[local_port];branch={branch};rport",
            f"From: {from_}", f"To: {to_}", "Call-ID: [call_id]", f"CSeq: {cseq} {method}",
            f"Contact: <sip:{self.user}@[local_ip]:[local_port];transport=[transport]>",
            "Max-Forwards: 70",
        ]
        if in_dialog and self._calls:
            lines.append("[routes]")
        lines += [line for line in headers.strip().splitlines() if line]
        if content is not None:
            lines.append(f"Content-Type: {content_type}")
        lines.append("Content-Length: [len]")
        text = "\n".join(lines) + "\n\n" + (content or "")
        retrans = ' retrans="500"' if retransmit and method != "ACK" else ""
        self.steps.append(f"<send{retrans}><![CDATA[\n\n{text}\n]]></send>")
        return self

    def invite(self, sdp: str | None = None, **options) -> "Scenario":
        return self.request("INVITE", sdp, **options)

    def ack(self, sdp: str | None = None) -> "Scenario":
        return self.request("ACK", sdp)

    def bye(self) -> "Scenario":
        return self.request("BYE").receive(200)

    def receive(self, status: int, optional: bool = False, find: str | None = None,
                **attributes) -> "Scenario":
        """Awaits a response; earlier provisional ones may come. `find`: a pattern it must hold."""
        if not optional:
            for early in (100, 180, 181, 183) if status >= 200 else (100,):
                self.steps.append(f'<recv response="{early}" optional="true" rrs="true"/>')
        extra = ' optional="true"' if optional else ""
        extra += "".join(f' {k}="{v}"' for k, v in attributes.items())
        self.steps.append(
            f'<recv response="{status}" rrs="true"{extra}>{_must_hold(find)}</recv>')
        return self

    # --- the side that is called ---

    def await_request(self, method: str, find: str | None = None, optional: bool = False,
                      **attributes) -> "Scenario":
        extra = ' optional="true"' if optional else ""
        extra += "".join(f' {k}="{v}"' for k, v in attributes.items())
        actions = _must_hold(find)
        if not self.steps:
            # In-dialog requests of the called side need the dialog's two ends, turned round.
            self._calls = False
            actions = ("<action>"
                       '<ereg regexp=".*" search_in="hdr" header="From:" assign_to="peer"/>'
                       '<ereg regexp=".*" search_in="hdr" header="To:" assign_to="called"/>'
                       '<ereg regexp=".*" search_in="hdr" header="Via:" assign_to="via"/>'
                       '<ereg regexp=".*" search_in="hdr" header="CSeq:" assign_to="cseq"/>'
                       '<ereg regexp="&lt;([^&gt;]*)&gt;" search_in="hdr" header="Contact:"'
                       ' assign_to="whole,target"/>'
                       '<assignstr assign_to="own" value="[$called];tag=[pid]s[call_number]"/>'
                       "</action>" + actions)
        self.steps.append(f'<recv request="{method}" rrs="true"{extra}>{actions}</recv>')
        return self

    def respond(self, status: str, sdp: str | None = None, headers: str = "",
                retransmit: bool = False, to_first: bool = False) -> "Scenario":
        """Answers the latest request, or the first one; `status` as in "180 Ringing"."""
        if to_first:
            lines = [f"SIP/2.0 {status}", "Via: [$via]", "From: [$peer]", "To: [$own]",
                     "[last_Call-ID:]", "CSeq: [$cseq]"]
        else:
            to = "[last_To:];tag=[pid]s[call_number]" if self._opens_dialog() else "[last_To:]"
            lines = [f"SIP/2.0 {status}", "[last_Via:]", "[last_From:]", to, "[last_Call-ID:]",
                     "[last_CSeq:]", "[last_Record-Route:]"]
        lines.append(f"Contact: <sip:{self.user}@[local_ip]:[local_port];transport=[transport]>")
        lines += [line for line in headers.strip().splitlines() if line]
        if sdp is not None:
            lines.append("Content-Type: application/sdp")
        lines.append("Content-Length: [len]")
        retrans = ' retrans="500"' if retransmit else ""
        text = "\n".join(lines) + "\n\n" + (sdp or "")
        self.steps.append(f"<send{retrans}><![CDATA[\n\n{text}\n]]></send>")
        return self

    def pause(self, milliseconds: int) -> "Scenario":
        """For what the protocol itself says takes time (a subscription's life), not for luck."""
        self.steps.append(f'<pause milliseconds="{milliseconds}"/>')
        return self

    def _opens_dialog(self) -> bool:
        """Requests inside the dialog carry our tag already; the one that opens it does not."""
        requests = [step for step in self.steps if step.startswith("<recv request=")]
        return not self._calls and len([r for r in requests if 'optional="true"' not in r]) <= 1

    def xml(self) -> str:
        text = "\n".join(self.steps)
        # sipp refuses a variable that is used only once, so all of them are referred to.
        assigned = {name for names in re.findall(r'assign_to="([^"]*)"', text)
                    for name in names.split(",")}
        reference = f'<Reference variables="{",".join(sorted(assigned))}"/>' if assigned else ""
        return ('<?xml version="1.0" encoding="UTF-8"?>\n<scenario name='
                + xml.sax.saxutils.quoteattr(self.user) + f">\n{text}\n{reference}\n</scenario>\n")


def _must_hold(pattern: str | None) -> str:
    if pattern is None:
        return ""
    return ("<action><ereg regexp=" + xml.sax.saxutils.quoteattr(pattern)
            + ' search_in="msg" check_it="true" assign_to="whole"/></action>')


def register_scenario(user: str, password: str, domain: str = DOMAIN, expires: int = 600) -> Scenario:
    scenario = Scenario(user, domain)
    own = f"<sip:{user}@{domain}>"
    scenario.request("REGISTER", uri=f"sip:{domain}", to=own, headers=f"Expires: {expires}")
    scenario.steps.append('<recv response="401" auth="true"/>')
    scenario.request(
        "REGISTER", uri=f"sip:{domain}", to=own,
        headers=f"Expires: {expires}\n[authentication username={user} password={password}]")
    scenario.steps.append('<recv response="200"/>')
    return scenario


class Sipp:
    """sipp at one host, on one port; runs scenarios one after the other."""

    def __init__(self, scene: Scene, host: Host, user: str, remote: str, port: int = 5060,
                 transport: str = "u1"):
        self.scene = scene
        self.host = host
        self.user = user
        self.remote = remote
        self.port = port
        self.transport = transport
        self.folder = scene.folder_for(f"{host.name}.{user}")
        self.address = host.address
        self._count = 0

    def start(self, scenario: Scenario, *arguments: str, service: str = "service",
              calls: int = 1, await_open: bool = True) -> "Running":
        self._count += 1
        file = self.folder / f"scenario{self._count}.xml"
        file.write_text(scenario.xml())
        command = ["sipp", self.remote, "-sf", str(file), "-s", service, "-i", self.address,
                   "-p", str(self.port), "-t", self.transport, "-m", str(calls), "-nostdin",
                   "-mi", self.address, "-mp", str(MEDIA_PORT), "-trace_err", "-error_file",
                   str(self.folder / f"errors{self._count}"), "-timeout", "90", "-timeout_error",
                   "-cid_str", "%u-%p@" + self.user, *arguments]
        process = self.host.namespace.spawn(command, self.folder / f"log{self._count}",
                                            env={"TERM": "dumb"}, cwd=self.folder)
        running = Running(self, process, self.folder / f"errors{self._count}")
        if await_open:
            option = "-Hlun" if self.transport.startswith("u") else "-Hltn"
            until(lambda: not process.running or self.host.namespace.run(
                ["ss", option, f"sport = :{self.port}"]).strip(), f"sipp of {self.user}")
        return running

    def run(self, scenario: Scenario, *arguments: str, **options) -> None:
        self.start(scenario, *arguments, await_open=False, **options).succeeded()

    def register(self, password: str, domain: str = DOMAIN) -> None:
        # sipp would name the address that it sends to in its digest.
        self.run(register_scenario(self.user, password, domain), "-auth_uri", domain)


class Running:
    def __init__(self, sipp: Sipp, process, errors: Path):
        self.sipp = sipp
        self.process = process
        self.errors = errors

    def succeeded(self, timeout: float = 60.0) -> None:
        """Awaits the end; raises with sipp's own words when a call failed."""
        until(lambda: not self.process.running, lambda: f"the end of sipp ({self.sipp.user}): "
              + self.complaint(), timeout)
        if self.process.returncode != 0:
            raise SceneError(f"sipp of {self.sipp.user} failed: {self.complaint()}")

    def complaint(self) -> str:
        text = self.errors.read_text(errors="replace") if self.errors.exists() else ""
        return text[-3000:] or self.process.tail(40)
