"""`ports.Model` on AWS Bedrock's Converse API."""

from dataclasses import dataclass, field

from ripieno.models.wire.lazy import LazyModel
from ripieno.models.wire.server import Server

REGION = "us-east-1"
"""Where nobody says otherwise."""


@dataclass(frozen=True, slots=True)
class Account:
    """Whose models are asked, and where.

    With an `api_key`, that is the credential; else an access key; else those that AWS's own programs would find for
    the `profile`: in its files, or from the machine. `base_url` goes to another server than the region's own.
    `timeout` (seconds) is how long the server may be silent.
    """

    region: str = ""
    api_key: str = field(default="", repr=False)
    access_key_id: str = ""
    secret_access_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)
    profile: str = ""
    base_url: str = ""
    timeout: float = 120.0

    @property
    def where(self) -> str:
        """The URL that requests go to."""
        return self.base_url or f"https://bedrock-runtime.{self.region or REGION}.amazonaws.com"


class BedrockModel(LazyModel):
    """`ports.Model` for Bedrock, or for a server with its Converse API.

    AWS's library has an HTTP client of its own, which no egress rule sees: only an administrator may say where it goes.
    """

    def __init__(self, account: Account) -> None:
        secrets = (account.secret_access_key, account.session_token)
        server = Server("bedrock", account.where, account.api_key, secrets)
        super().__init__("ripieno.models.providers.bedrock.converse", account, server)
