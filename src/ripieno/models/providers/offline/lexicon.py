"""Words that go with what tools are commonly called, for tools and agents whose own descriptions say little."""

from collections.abc import Mapping

from ripieno.models.providers.offline.words import stems

_RELATED = {
    "calculate": "arithmetic sum compute percent",
    "clock": "time date timezone",
    "code": "lint bug quality source python checkout",
    "cpu": "processor load busy core",
    "disk": "full space storage filesystem partition mounted",
    "dns": "resolve lookup record nameserver domain",
    "fetch": "url page website site download http https",
    "git": "commit branch checkout repository uncommitted repo",
    "log": "journal syslog error failure exception event message",
    "memory": "ram swap",
    "net": "network connection reachable connectivity",
    "network": "net connection reachable connectivity",
    "ping": "reachable latency unreachable",
    "port": "tcp listening",
    "process": "pid running program",
    "system": "machine computer server host",
    "tls": "ssl certificate cert expire expiry",
    "traceroute": "route hop path trace",
    "uptime": "boot reboot running long up since",
    "web": "internet url page site online",
}

RELATED: Mapping[str, tuple[str, ...]] = {stems(word)[0]: tuple(stems(others)) for word, others in _RELATED.items()}
"""Related stems by stem."""
