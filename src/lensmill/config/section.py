"""What every part of a configuration and of its priors has in common."""

from pydantic import BaseModel, ConfigDict

from lensmill.files.atomic import json_sha256


class Section(BaseModel):
    """A part of the configuration: frozen, strict about types, closed to unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    def digest(self) -> str:
        """The SHA-256 of the values, for knowing whether a result is current."""
        return json_sha256(self.model_dump(mode="json"))
