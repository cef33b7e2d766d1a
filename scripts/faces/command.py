"""What the scripts of this folder do with their figures, and with a user's mistake: one line, and its exit code."""

import argparse
import sys
from collections.abc import Callable
from typing import Any

from unlearn import files
from unlearn.errors import DataError, UnlearnError


def said(work: Callable[[], Any]) -> None:
    """Do the work; say what is wrong in one line."""
    try:
        work()
    except UnlearnError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)


def written(asked: argparse.Namespace, run: Callable[[argparse.Namespace], dict[str, Any]]) -> None:
    """Run on the photos of `asked.people`, and write the figures to `asked.out` as JSON.

    Raises:
        DataError: no such folder.
    """
    if not asked.people.is_dir():
        raise DataError(f"--people {asked.people}: no such folder; it has one folder a person")
    results = run(asked)
    with files.output_errors(asked.out):
        files.write_json(asked.out, results)
