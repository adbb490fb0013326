"""Reads certificates. Needs cryptography, which is slow to import, so that only `certificates` imports it, and late."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509


@dataclass(frozen=True, slots=True)
class Facts:
    """What a certificate says of itself."""

    subject: str
    issuer: str
    self_issued: bool
    names: tuple[str, ...]
    begins: datetime
    ends: datetime


def read(der: bytes) -> Facts:
    """Read a certificate in DER.

    Raises:
        ValueError: It is none.
    """
    certificate = x509.load_der_x509_certificate(der)
    return Facts(
        subject=_common_name(certificate.subject),
        issuer=_common_name(certificate.issuer),
        self_issued=certificate.subject == certificate.issuer,
        names=tuple(_names(certificate)),
        begins=certificate.not_valid_before_utc,
        ends=certificate.not_valid_after_utc,
    )


def _names(certificate: x509.Certificate) -> Sequence[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    addresses = extension.value.get_values_for_type(x509.IPAddress)
    return [*extension.value.get_values_for_type(x509.DNSName), *(str(address) for address in addresses)]


def _common_name(name: x509.Name) -> str:
    for kind in (x509.NameOID.COMMON_NAME, x509.NameOID.ORGANIZATION_NAME):
        parts = name.get_attributes_for_oid(kind)
        if parts:
            return str(parts[0].value)
    return "nobody named"
