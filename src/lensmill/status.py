"""The outcomes of a lens, and the stages at which it can fail, each with a sentence for people."""

from enum import StrEnum
from typing import Self


class Worded(StrEnum):
    """An enumeration whose members are texts; `sentence` says in words what each means."""

    sentence: str

    def __new__(cls, value: str, sentence: str) -> Self:
        """A member that is its value and carries its sentence."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.sentence = sentence
        return member


class Status(Worded):
    """The state of one lens in a run."""

    CERTIFIED = "certified", "Sampled, and every check of the certificate passed."
    UNCERTIFIED = "uncertified", "Sampled, but a check of the certificate failed; stage and reason say which."
    FAILED = "failed", "A stage ended in an error, so there is no posterior; stage and reason say where."
    INVALID_INPUT = "invalid input", "The catalogue row or the cutout is unusable; nothing was computed."
    PENDING = "pending", "Not finished yet."


FITTED = (Status.CERTIFIED, Status.UNCERTIFIED)  # with a posterior


class Stage(Worded):
    """The earliest stage of a lens that went wrong."""

    NONE = "", "No stage went wrong."
    INPUT = "input", "The catalogue row, the file or one of its extensions."
    MASKING = "masking", "Something outside the arcs, such as a neighbour, is left in the pixels used."
    LENS_LIGHT = "lens light", "The model of the lens galaxy's light does not fit."
    BASIN = "basin", "The warm starts or the chains do not agree on one solution."
    SOURCE = "source model", "The model of the source does not fit the arcs."
    SAMPLING = "sampling", "The chains have not converged to one distribution."
