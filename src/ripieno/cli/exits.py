"""How a command ends: the exit codes, and the one exception that carries one with its sentences."""

from enum import IntEnum


class Exit(IntEnum):
    """What a command tells its caller."""

    COMPLETED = 0
    FAILED = 1
    USAGE = 2
    WAITING = 3
    UNREACHABLE = 4
    INTERRUPTED = 130


class Stop(Exception):
    """The command ends here. Each sentence becomes one line on standard error, with the code."""

    def __init__(self, exit_code: Exit, code: str, *sentences: str) -> None:
        super().__init__("; ".join(sentences))
        self.exit_code = exit_code
        self.code = code
        self.sentences = sentences
