"""Names of hosts, as they are compared."""


def normal(host: str) -> str:
    """A host name as it is compared: lower case, IDNA, without the dot at the end."""
    host = host.strip("[]").rstrip(".").lower()
    try:
        return host.encode("idna").decode() if not host.isascii() else host
    except UnicodeError:
        return host


def meant(host: str, patterns: tuple[str, ...]) -> bool:
    """Whether a normal host is one of the domains; a leading dot means the domain and all below it."""
    for pattern in patterns:
        name = normal(pattern.removeprefix("."))
        if host == name or (pattern.startswith(".") and host.endswith(f".{name}")):
            return True
    return False
