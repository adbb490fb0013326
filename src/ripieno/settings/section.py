"""What a section of the settings is."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A table of settings; unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)
