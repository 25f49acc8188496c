"""Conversations of two sipp phones: each is what the caller does and what the called one does.

They are proven directly (test_phones.py) before they are asked of Sallyport (test_sip.py).
"""

from __future__ import annotations

from .sipp import Scenario, Sipp, audio_sdp


def reliable_provisional() -> tuple[Scenario, Scenario]:
    """RFC 3262: 183 with RSeq, PRACK, and the call goes on."""
    return (Scenario("alice").invite(audio_sdp(), headers="Supported: 100rel")
            .receive(183, find="RSeq: *1")
            .request("PRACK", headers="RAck: 1 1 INVITE").receive(200).receive(200).ack().bye(),
            Scenario("bob").await_request("INVITE", find="100rel")
            .respond("183 Session Progress", audio_sdp(), headers="Require: 100rel\nRSeq: 1")
            .await_request("PRACK", find="RAck: *1 ").respond("200 OK")
            .respond("200 OK", retransmit=True, to_first=True)
            .await_request("ACK").await_request("BYE").respond("200 OK"))


def update() -> tuple[Scenario, Scenario]:
    """RFC 3311: an offer and an answer without a re-INVITE."""
    allow = "Allow: INVITE,ACK,BYE,UPDATE,CANCEL"
    return (Scenario("alice").invite(audio_sdp(), headers=allow).receive(180).receive(200).ack()
            .request("UPDATE", audio_sdp(direction="sendonly")).receive(200, find="recvonly").bye(),
            Scenario("bob").await_request("INVITE").respond("180 Ringing")
            .respond("200 OK", audio_sdp(), headers=allow, retransmit=True).await_request("ACK")
            .await_request("UPDATE", find="sendonly")
            .respond("200 OK", audio_sdp(direction="recvonly"))
            .await_request("BYE").respond("200 OK"))


def offer_in_the_answer() -> tuple[Scenario, Scenario]:
    """RFC 3261 13.2.1: INVITE without SDP; the offer comes in the 200, the answer in the ACK."""
    return (Scenario("alice").invite().receive(180).receive(200, find="m=audio")
            .ack(sdp=audio_sdp()).bye(),
            Scenario("bob").await_request("INVITE").respond("180 Ringing")
            .respond("200 OK", audio_sdp(), retransmit=True)
            .await_request("ACK", find="m=audio").await_request("BYE").respond("200 OK"))


def callee_adds_video_and_hangs_up() -> tuple[Scenario, Scenario]:
    return (Scenario("alice").invite(audio_sdp()).receive(180).receive(200).ack()
            .await_request("INVITE", find="m=video")
            .respond("200 OK", audio_sdp(extra="m=video 0 RTP/AVP 34\n"), retransmit=True)
            .await_request("ACK").await_request("BYE").respond("200 OK"),
            Scenario("bob").await_request("INVITE").respond("180 Ringing")
            .respond("200 OK", audio_sdp(), retransmit=True).await_request("ACK")
            .request("INVITE", audio_sdp(extra="m=video 41010 RTP/AVP 34\n"))
            .receive(200, find="m=video 0").ack().bye())


def caller_cancels() -> tuple[Scenario, Scenario]:
    return (Scenario("alice").invite(audio_sdp()).receive(180)
            .request("CANCEL", uri="sip:[service]@example.org", branch="[branch-3]", cseq="1",
                     to="<sip:[service]@example.org>")
            .receive(200).receive(487)
            .request("ACK", uri="sip:[service]@example.org", branch="[branch-9]", cseq="1"),
            Scenario("bob").await_request("INVITE").respond("180 Ringing")
            .await_request("CANCEL").respond("200 OK")
            .respond("487 Request Terminated", to_first=True, retransmit=True)
            .await_request("ACK"))


def subscription() -> tuple[Scenario, Scenario]:
    """RFC 6665: NOTIFY comes in the dialog that SUBSCRIBE made."""
    return (Scenario("alice").request("SUBSCRIBE", headers="Event: presence\nExpires: 60")
            .receive(200).await_request("NOTIFY", find="presence").respond("200 OK"),
            Scenario("bob").await_request("SUBSCRIBE").respond("200 OK", headers="Expires: 60")
            .request("NOTIFY", body="<presence/>\n", content_type="application/pidf+xml",
                     headers="Event: presence\nSubscription-State: active;expires=60")
            .receive(200))


def single(method: str) -> tuple[Scenario, Scenario]:
    """A request outside any dialog, with a header and a body that nobody knows."""
    return (Scenario("alice").request(method, headers="X-Odd: 42\nEvent: presence",
                                      body="some text\n", content_type="text/odd")
            .receive(200, find="X-Answer: *43"),
            Scenario("bob").await_request(method, find="X-Odd: *42")
            .respond("200 OK", headers="X-Answer: 43"))


PAIRS = {
    "reliable provisional responses": reliable_provisional,
    "UPDATE": update,
    "the offer in the answer": offer_in_the_answer,
    "video added by the callee, who hangs up": callee_adds_video_and_hangs_up,
    "CANCEL": caller_cancels,
    "SUBSCRIBE and NOTIFY": subscription,
    "MESSAGE": lambda: single("MESSAGE"),
    "OPTIONS": lambda: single("OPTIONS"),
    "PUBLISH": lambda: single("PUBLISH"),
    "an unknown method": lambda: single("NEWTHING"),
}


def converse(alice: Sipp, bob: Sipp, pair) -> None:
    calling, called = pair()
    answering_side = bob.start(called)
    calling_side = alice.start(calling, service="bob")
    calling_side.succeeded()
    answering_side.succeeded()
