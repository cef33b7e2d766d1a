"""The one exception tree. The command line prints the message as it is and leaves with `exit_code`."""

from collections.abc import Sequence


class UnlearnError(Exception):
    """A problem the user can mend; the message says what is wrong, where, and what the choices are."""

    exit_code = 2


class RecipeError(UnlearnError):
    """A recipe that cannot be run. `problems` holds every problem found, one line each."""

    def __init__(self, problems: Sequence[str]):
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class UnknownName(UnlearnError):
    """A method, defense, network, source or recipe that does not exist."""


class DataError(UnlearnError):
    """Images or labels that cannot be used as they are."""


class PerturbationError(UnlearnError):
    """A perturbation file that is damaged, too strong, or made for other data."""


class OutputError(UnlearnError):
    """An output folder that may not or cannot be written."""


class WorkersError(UnlearnError):
    """Processes that do not see each other, or disagree about the surrogate."""


class ReleaseError(UnlearnError):
    """A release that cannot be read at all; findings inside a readable one are not exceptions."""


class Interrupted(UnlearnError):
    """SIGINT, SIGTERM or SIGUSR1: the state is on disk and the same command goes on from it."""

    exit_code = 130
