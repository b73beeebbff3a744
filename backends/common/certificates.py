"""A certificate for stand-ins, made of the spec alone: signed by itself with a key that everybody knows, so that it
protects nothing; the same hosts give the same bytes.

Source: RFC 5280 (certificate), RFC 8017 (PKCS #1: the key's form, and the signature RSASSA-PKCS1-v1_5 with SHA-256).
"""

import base64
import hashlib
import textwrap
from collections.abc import Iterable, Sequence

#: The published key: two primes of 1024 bits.
_P = int(
    "de31cd29fe387787200926467fdf985af09136fca2c2a6c251d180a8cfeeb975954ad4e47a267e0c3e87c60ee187a95d3048386b90b7df4121"
    "1fb4e51ad5c833b8bd504d7eccd4901e78fc87af26249efb16fe39ed6c87aa7295c2b8ebabe588480fbdc15580573e2240257caf66a7b9ec46"
    "a7489c580a45b3ade625a2db4419",
    16,
)
_Q = int(
    "db807007e11983269e55d4cc23bcdefb937717797a4dd3fe60dea829745fe42b7cc0839a3488817b9898114e5c6377f5bbba5b557b88c88008"
    "336d2c70f42fb230af0a79ea196c94eda712d1253b6006168a2737a543287bf41c73a1a04b40ee4ce937d8cd613a5cb8a8359139f6a30fe660"
    "205cf84a3f8ca2bf90d0e7c89da1",
    16,
)
_E = 65537
_N, _D = _P * _Q, pow(_E, -1, (_P - 1) * (_Q - 1))
#: UTCTime, which ends with 2049.
FROM, UNTIL = "200101000000Z", "491231235959Z"
_NAME = "netspec stand-in"

_INTEGER, _BITS, _OCTETS, _NULL, _OID, _UTF8, _TIME, _SEQUENCE, _SET = 2, 3, 4, 5, 6, 12, 23, 48, 49
#: DER of the identifiers: sha256WithRSAEncryption, rsaEncryption, commonName, subjectAltName, SHA-256.
_SIGNED, _RSA = bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d010101")
_COMMON_NAME, _ALTERNATIVE = bytes.fromhex("550403"), bytes.fromhex("551d11")
_SHA256 = bytes.fromhex("3031300d060960864801650304020105000420")


def key_pem() -> str:
    """The published private key."""
    numbers = (0, _N, _E, _D, _P, _Q, _D % (_P - 1), _D % (_Q - 1), pow(_Q, -1, _P))
    return _pem("RSA PRIVATE KEY", _der(_SEQUENCE, *map(_integer, numbers)))


def certificate_pem(hosts: Sequence[str], since: str = FROM, until: str = UNTIL) -> str:
    """For all of the hosts, a wildcard as it is written. `since` and `until`: YYMMDDHHMMSSZ."""
    algorithm = _der(_SEQUENCE, _der(_OID, _SIGNED), _der(_NULL))
    name = _der(_SEQUENCE, _der(_SET, _der(_SEQUENCE, _der(_OID, _COMMON_NAME), _der(_UTF8, _NAME.encode()))))
    key = _der(_SEQUENCE, _integer(_N), _integer(_E))
    alternatives = _der(_SEQUENCE, *(_der(0x82, host.encode()) for host in hosts))
    extension = _der(_SEQUENCE, _der(_OID, _ALTERNATIVE), _der(_OCTETS, alternatives))
    digest = hashlib.sha256("\n".join((*hosts, since, until)).encode()).digest()
    body = _der(
        _SEQUENCE,
        _der(0xA0, _integer(2)),  # version 3
        _integer(int.from_bytes(digest[:8], "big") >> 1),
        algorithm,
        name,
        _der(_SEQUENCE, _der(_TIME, since.encode()), _der(_TIME, until.encode())),
        name,
        _der(_SEQUENCE, _der(_SEQUENCE, _der(_OID, _RSA), _der(_NULL)), _der(_BITS, b"\0", key)),
        _der(0xA3, _der(_SEQUENCE, extension)),
    )
    return _pem("CERTIFICATE", _der(_SEQUENCE, body, algorithm, _der(_BITS, b"\0", _signature(body))))


def _signature(body: bytes) -> bytes:
    size = (_N.bit_length() + 7) // 8
    told = _SHA256 + hashlib.sha256(body).digest()
    padded = b"\0\1" + b"\xff" * (size - len(told) - 3) + b"\0" + told
    return pow(int.from_bytes(padded, "big"), _D, _N).to_bytes(size, "big")


def _integer(value: int) -> bytes:
    return _der(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _der(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def _pem(what: str, der: bytes) -> str:
    lines: Iterable[str] = textwrap.wrap(base64.b64encode(der).decode(), 64)
    return "\n".join((f"-----BEGIN {what}-----", *lines, f"-----END {what}-----", ""))
