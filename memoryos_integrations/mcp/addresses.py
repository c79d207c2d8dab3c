"""Where the server listens over HTTP, and which addresses it answers to.

On an address that others can reach, nobody is served without a token. A browser that was led here under another
name is refused, whatever token it has.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

from mcp.server.transport_security import TransportSecuritySettings

from memoryos_engine import InvalidInput
from memoryos_integrations.mcp.config import ServerConfig

_MOST_PORT = 65_535
_HOST = re.compile(r"\[[0-9a-fA-F:.]+\]|[0-9a-zA-Z._-]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """A host and a port to listen on; port 0 is any that is free."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return self.host == "localhost" or (self._number is not None and self._number.is_loopback)

    @property
    def is_every(self) -> bool:
        """Whether it stands for all addresses of this machine."""
        return self._number is not None and self._number.is_unspecified

    @property
    def _number(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        try:
            return ipaddress.ip_address(self.host)
        except ValueError:
            return None

    @property
    def shown_host(self) -> str:
        """The host as it stands in an address of the web."""
        return f"[{self.host}]" if ":" in self.host else self.host


def address_of(config: ServerConfig) -> Address:
    """Return where to listen.

    Raises:
        InvalidInput: it is no HOST:PORT, others can reach it and nobody has a token, or it is every address and
            nothing says by which names clients call it.
    """
    host, separator, port = (config.http or "").rpartition(":")
    if not (separator and _HOST.fullmatch(host) and port.isdecimal() and int(port) <= _MOST_PORT):
        raise InvalidInput("http", "is no HOST:PORT", 'Pass for example --http 127.0.0.1:8765 or "[::1]:8765".')
    address = Address(host=host.strip("[]"), port=int(port))
    if not address.is_loopback and not config.users:
        fix = 'Give each user a token, "users": [{"user_id": "...", "token": "..."}], or listen on 127.0.0.1.'
        raise InvalidInput("http", "can be reached by others, and nobody needs a token", fix)
    if address.is_every and not config.allowed_hosts:
        fix = 'List what clients call the server, for example ["memory.example.org:*"], or listen on one address.'
        raise InvalidInput("allowed_hosts", "is missing: no client calls a server by the address of all", fix)
    return address


def accepted(config: ServerConfig, address: Address) -> TransportSecuritySettings:
    """Return which values of the headers Host and Origin are answered: the own address and those configured."""
    names = [address.shown_host]
    if address.is_loopback:
        names = list(dict.fromkeys([*names, "127.0.0.1", "localhost", "[::1]"]))
    hosts = [*(f"{name}:*" for name in names), *config.allowed_hosts]
    origins = [*(f"http://{name}:*" for name in names), *config.allowed_origins]
    return TransportSecuritySettings(
        enable_dns_rebinding_protection=True, allowed_hosts=_with_bare(hosts), allowed_origins=_with_bare(origins)
    )


def _with_bare(names: Iterable[str]) -> list[str]:
    """Return names with any port, and the same without one: clients leave out what is usual."""
    return list(dict.fromkeys(each for name in names for each in (name, name.removesuffix(":*"))))
