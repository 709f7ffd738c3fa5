"""The exceptions of CalcGPT: one base class, and a few children that say whose mistake it was."""

from __future__ import annotations

from numbers import Integral

_SHOWN = 100  # characters of a value that a message shows
_LONGEST_PATH = 1000  # characters; a longer one cannot be opened everywhere


class CalcGPTError(Exception):
    """Base of every error that CalcGPT raises on purpose; its text is one line a person can act on."""


class ConfigError(CalcGPTError, ValueError):
    """A setting, or a combination of settings, that cannot work."""


class MissingOperation(ConfigError):
    """An operation that is not among those of this process: a user's own has to be registered in each."""


class DataError(CalcGPTError, ValueError):
    """A data file that is missing, unreadable, malformed or wrong."""


class TokenError(CalcGPTError, ValueError):
    """A text with characters that a vocabulary does not have."""


class UnsupportedProblem(CalcGPTError, ValueError):
    """A problem that a model, or its notation, cannot represent."""


class ModelFolderError(CalcGPTError):
    """A model folder that is missing, incomplete or damaged, or a folder that is not a model's."""


class RunInProgress(CalcGPTError):
    """A folder in which a run is still alive."""


MOST_SEED = 2**63 - 1
"""The largest seed, of whatever: what PyTorch and NumPy both take."""


def check_seed(seed: object, name: str = "seed") -> None:
    """Raises ConfigError unless it is a whole number of 0 to MOST_SEED."""
    if not isinstance(seed, Integral) or isinstance(seed, bool) or not 0 <= int(seed) <= MOST_SEED:
        raise ConfigError(f"{name} must be a whole number of 0 to 2^63 - 1, not {shown_value(seed)}")


def shown_value(value: object) -> str:
    """A value as a message gives it: on one line, and cut where it is long."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no integer of more than 4,300 digits
        return f"a {type(value).__name__} too long to show"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text):,} characters)"


def shown_path(path: object) -> str:
    """A path as a message gives it: quoted where it holds what is no visible text."""
    text = str(path)
    return text if text.isprintable() and len(text) <= _LONGEST_PATH else shown_value(text)
