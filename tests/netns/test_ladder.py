"""Sites whose firewall does not let the multiplex connection out straight to port Z: another port of
the server, or the site's own proxy, carries it. Media goes by UDP as ever."""

import json
import time

import pytest
from scene.dns import NameServer, a
from scene.figure1 import SERVER, Scene, Site
from scene.namespace import SceneError
from scene.router import Nat
from scene.tinyproxy import Tinyproxy
from scene.waiting import until
from scene.world import World

AGENT, PROXY = "10.1.1.2", "10.1.1.3"
LISTEN = ["0.0.0.0:2776", "0.0.0.0:443"]
USER, PASSWORD = "jo", "let-me-out"


def firewall(*tcp: tuple[str, int], udp: bool = True, replies: str = "drop") -> str:
    """Only these hosts' connections to these ports of the server, and the agent's media, get out.
    What else is tried is met with silence, or with a reset."""
    rules = [f"ip saddr {host} ip daddr {SERVER} tcp dport {port} accept\n"
             f"ip saddr {SERVER} ip daddr {host} tcp sport {port} accept" for host, port in tcp]
    if udp:
        rules += [f"ip saddr {AGENT} ip daddr {SERVER} udp dport {{ 2776, 2777 }} accept",
                  f"ip saddr {SERVER} ip daddr {AGENT} udp sport {{ 2776, 2777 }} accept"]
    if replies == "reset":
        rules.append("meta l4proto tcp reject with tcp reset")
    return f"""
table inet sallyport
delete table inet sallyport
table inet sallyport {{
  chain forward {{
    type filter hook forward priority filter; policy drop;
    {chr(10).join(rules)}
  }}
}}
"""


def strict_site(world: World, rules: str, name: str = "a") -> Site:
    site = world.scene.site(name, Nat.SYMMETRIC)
    site.router.firewall(rules)
    site.router.forget_after(20)
    return site


def password_file(world: World, text: str) -> str:
    file = world.scene.folder / "password"
    file.write_text(text + "\n")
    file.chmod(0o600)
    return str(file)


def proxy_settings(world: World, password: str = PASSWORD) -> dict:
    return {"multiplex.proxy": f"http://{USER}@{PROXY}:3128",
            "multiplex.proxy_password_file": password_file(world, password)}


def ways(world: World, name: str = "a") -> tuple[str, str]:
    """By which way the agent is connected: as it says itself, and as the server says."""
    agent = world.agents[name]
    at_server, = [it for it in world.server.json("agents") if it["name"] == agent.name]
    return agent.json("status")["way"], at_server["way"]


def assert_calls_work(world: World) -> None:
    """A call each way; one of them outlives a router that forgets every mapping."""
    alice, bob = world.phone("a", "alice"), world.public_phone("bob", register=True)
    world.call(alice, bob)
    world.hang_up(bob, alice)
    world.call(bob, alice)
    began = time.time()
    world.scene.sites["a"].router.flush()
    world.both_hear(alice, bob, began, seconds=2.0)
    world.hang_up(alice, bob)


def test_an_alternative_port_serves_where_z_is_swallowed(scene: Scene):
    world = World(scene, {"multiplex.listen": LISTEN})
    site = strict_site(world, firewall((AGENT, 443)))
    began = time.time()
    agent = world.add_agent("a", site.host("agent", 2))
    assert time.time() - began < 8, "joining and connecting each cost the two seconds of port Z"
    assert ways(world) == ("alternative_port", "alternative_port")
    assert agent.json("status")["server"] == f"{SERVER}:443"
    assert agent.events("the server is reached")[0]["by"] == f"{SERVER}:443"
    assert_calls_work(world)
    assert ways(world) == ("alternative_port", "alternative_port")
    # Known to work, it is dialled at once.
    mark = agent.mark()
    began = time.time()
    world.server.stop()
    world.server.start()
    agent.await_event("agent ready", begin=mark)
    assert time.time() - began < 8


def test_the_printed_rules_let_the_alternative_port_out(scene: Scene):
    world = World(scene, {"multiplex.listen": LISTEN})
    site = world.add_site("a")
    rules = world.agents["a"].command("firewall", "--drop", "--agent-address", AGENT)
    assert rules.count(f"daddr {SERVER} tcp dport 443 accept") == 1
    assert rules.count(f"daddr {SERVER} udp dport 2776 accept") == 1
    assert world.server.command("firewall", "--server").count("tcp dport 443 accept") == 1
    site.router.namespace.nft("delete table inet sallyport")
    site.router.firewall(rules)
    site.router.namespace.nft(f"""
table inet closed {{
  chain forward {{
    type filter hook forward priority filter - 1; ip daddr {SERVER} tcp dport 2776 drop;
  }}
}}
""")
    world.agents["a"].host.namespace.run(["ss", "-K", "dst", SERVER])
    until(lambda: ways(world)[0] == "alternative_port", "the other port")


@pytest.mark.parametrize("blocked", ["drop", "reset"])
def test_the_sites_proxy_serves_where_nothing_else_gets_out(scene: Scene, blocked: str):
    world = World(scene)
    site = strict_site(world, firewall((PROXY, 2776), replies=blocked))
    proxy = Tinyproxy(scene, site.host("proxy", 3), user=USER, password=PASSWORD)
    agent = world.add_agent("a", site.host("agent", 2), settings=proxy_settings(world))
    assert ways(world) == ("proxy", "proxy")
    status = agent.json("status")
    assert (status["server"], status["proxy"]) == (f"{SERVER}:2776", proxy.address)
    assert f"CONNECT {SERVER}:2776" in proxy.requests()
    assert PASSWORD not in agent.log_file.read_text() + json.dumps(status)
    assert_calls_work(world)
    # The proxy is restarted in the middle of a session, which goes on.
    mark = world.server.mark()
    proxy.process.kill()
    Tinyproxy(scene, proxy.host, user=USER, password=PASSWORD)
    until(lambda: agent.json("status")["state"] == "connected", "the agent by the new proxy")
    assert not world.server.events("agent ready", mark), "no new session"


def test_the_proxy_resolves_the_name_that_the_agent_cannot(scene: Scene):
    names = NameServer(scene, scene.public_host("dns", "192.0.2.53"),
                       {"sallyport.example.org": [a(SERVER)]})
    world = World(scene, {"multiplex.advertised": ["sallyport.example.org:2776"]})
    site = strict_site(world, firewall((PROXY, 2776)) + f"""
add rule inet sallyport forward ip saddr {PROXY} udp dport 53 accept
add rule inet sallyport forward ip daddr {PROXY} udp sport 53 accept
""")
    proxy = Tinyproxy(scene, site.host("proxy", 3), name_server=names)
    world.add_agent("a", site.host("agent", 2),
                    settings={"multiplex.proxy": f"http://{proxy.address}"})
    assert ways(world) == ("proxy", "proxy")
    assert_calls_work(world)


def test_a_wrong_proxy_password_is_told_wherever_it_is_looked_for(scene: Scene):
    world = World(scene)
    site = strict_site(world, firewall((PROXY, 2776), replies="reset"))
    Tinyproxy(scene, site.host("proxy", 3), user=USER, password=PASSWORD)
    agent = world.add_agent("a", site.host("agent", 2), settings=proxy_settings(world))
    agent.stop()
    password_file(world, "wrong")
    # tinyproxy's code for a wrong password; others have 407.
    said = f"{SERVER}:2776 through proxy {PROXY}:3128: the proxy refuses this user and password (401)"
    mark = agent.mark()
    agent.start()
    assert said in agent.await_event("server not reached", begin=mark)["why"]
    assert said in agent.json("status")["problem"]
    assert agent.json("status")["way"] is None
    with pytest.raises(SceneError, match=r"not joined: .*refuses this user and password \(401\)"):
        agent.command("join", "--replace", world.server.invite("another"))
    # And one that others may read is not used at all.
    agent.stop()
    (scene.folder / "password").chmod(0o644)
    with pytest.raises(SceneError, match="others may read this password: chmod 600"):
        agent.command("agent")


def test_a_site_that_lets_nothing_out_is_told_what_was_tried(scene: Scene):
    world = World(scene, {"multiplex.listen": LISTEN})
    site = strict_site(world, firewall(replies="reset", udp=False))
    Tinyproxy(scene, site.host("proxy", 3))  # it allows port 2776 only, and gets nowhere
    token = world.server.invite("agent-a")
    host = site.host("agent", 2)
    from scene.product import Agent
    agent = Agent(scene, host, "agent-a", {"multiplex.proxy": f"http://{PROXY}:3128"})
    with pytest.raises(SceneError) as refused:
        agent.command("join", token)
    told = str(refused.value)
    for part in (f"{SERVER}:2776: connection refused", f"{SERVER}:443: connection refused",
                 f"{SERVER}:2776 through proxy {PROXY}:3128: the proxy",
                 f"{SERVER}:443 through proxy {PROXY}:3128: the proxy does not allow it (403)"):
        assert part in told, told


def test_a_better_way_is_taken_in_the_middle_of_a_call_and_left_again(scene: Scene):
    world = World(scene, {"multiplex.listen": LISTEN})
    site = strict_site(world, firewall((PROXY, 2776)))
    Tinyproxy(scene, site.host("proxy", 3))
    world.add_agent("a", site.host("agent", 2), settings={
        "multiplex.proxy": f"http://{PROXY}:3128", "multiplex.better_way_after": "1 s"})
    world.add_site("b")
    alice, bob = world.phone("a", "alice"), world.phone("b", "bob")
    world.call(alice, bob)
    assert ways(world) == ("proxy", "proxy")
    began = time.time()
    site.router.firewall(firewall((PROXY, 2776), (AGENT, 2776)))
    until(lambda: ways(world) == ("direct", "direct"), "the straight way", timeout=30)
    # Only another port from now on; and what is under way straight to Z goes nowhere.
    site.router.firewall(firewall((AGENT, 443)))
    world.agents["a"].host.namespace.run(["ss", "-K", "dst", SERVER])
    until(lambda: ways(world) == ("alternative_port", "alternative_port"), "the other port")
    world.both_hear(alice, bob, time.time())
    scene.capture.settle()
    for listener, speaker in ((alice, bob), (bob, alice)):
        gap = world.heard(listener, speaker, began).longest_gap(begin=began)
        assert gap < 0.5, f"{listener} did not hear {speaker} for {gap:.2f} s"
    world.hang_up(bob, alice)
    assert [e["way"] for e in world.agents["a"].events("the server is reached")] == [
        "proxy", "direct", "alternative_port"]
