"""Everything that can go wrong for a person, as one sentence and a way out.

CodeTuneError
├─ ConfigError      a setting is outside its limits, or two settings contradict
├─ SourceError      the code cannot be read, or there is too little of it
├─ ModelError       the base model is missing, unreachable or unusable
│  └─ FamilyError   its tokenizer has no FIM tokens, or its FIM family is ambiguous
├─ RunError         a run's folder: the name is taken, not found, or in the wrong state
└─ MachineError     the disk is full, the port is taken, the GPU is held by somebody else

Raised where the value is used; caught in three places only: a page's handler, the command line,
and the worker's `main`.
"""

from __future__ import annotations


class CodeTuneError(Exception):
    """What went wrong, and what to do about it.

    >>> print(SourceError("The folder 'src' does not exist.", "Check the path."))
    The folder 'src' does not exist. Check the path.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        self.message = message
        self.hint = hint
        super().__init__(f"{message} {hint}".strip())


class ConfigError(CodeTuneError):
    """A setting that cannot be used; `field` is its name, so that a form can mark it."""

    def __init__(self, message: str, hint: str = "", *, field: str = "") -> None:
        self.field = field
        super().__init__(message, hint)


class SourceError(CodeTuneError):
    """The code cannot be read, or there is too little of it to train on."""


class ModelError(CodeTuneError):
    """The base model is missing, unreachable or unusable."""


class FamilyError(ModelError):
    """The tokenizer has no FIM tokens, or more than one family fits it."""


class RunError(CodeTuneError):
    """A run's folder is taken, missing or in the wrong state."""


class MachineError(CodeTuneError):
    """This machine lacks something: disk, a free port, the GPU."""
