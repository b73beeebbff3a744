"""What is made of what the second kernel's guests leave behind: no kernel is started here."""

import runpy
import sys
from pathlib import Path

import pytest

from airgap import host
from airgap.errors import AirgapError
from tests.kernel.__main__ import Proof, carried, results, untracked

#: As ip_vs.h writes it (net/netfilter/ipvs/ip_vs_ctl.c): addresses and ports in hexadecimal.
TABLE = """\
IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
TCP  0A600001:01BB rr
  -> C0000202:192B      Masq    1      3          0
SCTP 0A60005A:005A rr
  -> 0AF40005:2382      Masq    1      0          2
  -> 0AF40006:2382      Masq    1      0          1
UDP  0A60000A:0035 rr
"""


def test_virtual_services_are_read_with_their_endpoints() -> None:
    assert carried(TABLE) == [
        "TCP 10.96.0.1:443 rr, 1 endpoints",
        "SCTP 10.96.0.90:90 rr, 2 endpoints",
        "UDP 10.96.0.10:53 rr, 0 endpoints",
    ]
    assert carried("\n".join(TABLE.splitlines()[:3])) == []


def test_a_guest_says_what_it_saw(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("IP in IP\tok\t5 of 5\nSCTP\tfailed\tno association, \tat all\n")
    assert results(tmp_path / "results") == [
        Proof("IP in IP", True, "5 of 5"),
        Proof("SCTP", False, "no association, \tat all"),
    ]


def test_packets_past_connection_tracking_are_counted() -> None:
    rules = """\
-P PREROUTING ACCEPT -c 900 4000
-A PREROUTING -d 169.254.20.10/32 -p udp -m udp --dport 53 -c 7 400 -j NOTRACK
-A OUTPUT -s 169.254.20.10/32 -p udp -m udp --sport 53 -c 5 600 -j CT --notrack
"""
    assert untracked(rules) == 12
    assert untracked("-P OUTPUT ACCEPT -c 1 2") == 0


def test_the_command_runs_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(_: str) -> None:
        raise AirgapError("not as you", "be somebody else")

    monkeypatch.setattr(host, "require_root", refuse)
    monkeypatch.delitem(sys.modules, "tests.kernel.__main__")
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("tests.kernel", run_name="__main__")
    assert ended.value.code == 1 and "error: not as you" in capsys.readouterr().err
