"""A hosted PBX that nobody here wrote: kamailio as registrar and proxy, in memory."""

from __future__ import annotations

from .figure1 import Host, Scene
from .waiting import until

CONFIG = """\
debug=2
log_stderror=yes
children=1
enable_tls=no
listen=udp:{address}:5060
listen=tcp:{address}:5060
alias="{domain}"
mpath="/usr/lib/x86_64-linux-gnu/kamailio/modules/"
loadmodule "kex.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "xlog.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"
modparam("usrloc", "db_mode", 0)
modparam("registrar", "use_path", 1)
modparam("registrar", "path_mode", 0)
modparam("registrar", "xavp_rcd", "ulrcd")
modparam("auth", "nonce_expire", 300)
modparam("auth", "algorithm", "{algorithm}")
modparam("auth", "qop", "{qop}")

request_route {{
  if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
  if (is_method("CANCEL")) {{ if (t_check_trans()) t_relay(); exit; }}
  if (has_totag()) {{
    if (loose_route()) {{ t_relay(); exit; }}
    if (is_method("ACK")) {{ if (t_check_trans()) t_relay(); exit; }}
    t_relay(); exit;
  }}
  if (is_method("REGISTER")) {{
    if (!pv_www_authenticate("{domain}", "{password}", "0")) {{
      www_challenge("{domain}", "1"); exit;
    }}
    save("location", "0x04");
    exit;
  }}
  record_route();
  if (!is_method("REGISTER") && !has_credentials("{domain}") && {challenge_invites}) {{
    proxy_challenge("{domain}", "1"); exit;
  }}
  if (!lookup("location")) {{ sl_send_reply("404", "Not Found"); exit; }}
  t_relay();
}}
"""


class Kamailio:
    def __init__(self, scene: Scene, host: Host, domain: str, password: str,
                 algorithm: str = "MD5", qop: str = "auth", challenge_invites: bool = False):
        self.host = host
        self.domain = domain
        folder = scene.folder_for(f"kamailio-{host.name}")
        config = folder / "kamailio.cfg"
        config.write_text(CONFIG.format(
            address=host.address, domain=domain, password=password, algorithm=algorithm, qop=qop,
            challenge_invites="1" if challenge_invites else "0"))
        # kamailio is several processes: the first one of a process namespace takes all with it.
        self.process = host.namespace.spawn(
            ["unshare", "--pid", "--fork", "--kill-child", "kamailio", "-f", str(config), "-DD", "-E",
             "-m", "16", "-M", "4", "-w", str(folder), "-Y", str(folder)], folder / "log")
        until(lambda: host.namespace.run(["ss", "-Hlun", "sport = :5060"]).strip()
              or not self.process.running, lambda: f"kamailio: {self.process.tail()}")
        assert self.process.running, self.process.tail()
