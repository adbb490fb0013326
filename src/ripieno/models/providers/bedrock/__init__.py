"""Models on AWS Bedrock: `BedrockModel`."""

from ripieno.models.providers.bedrock.model import Account, BedrockModel

__all__ = ["Account", "BedrockModel"]
