"""A pytest plugin that runs the Python blocks of Markdown pages, those of one page in order and in one namespace.

`<!-- skip: next, "the reason" -->` above a block leaves it out, with that reason in the report.
Each page runs in an empty working directory, so that an example may write files.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser


def _enter_empty_folder(namespace: dict[str, Any]) -> None:
    namespace["__previous_folder"], namespace["__folder"] = os.getcwd(), tempfile.TemporaryDirectory()
    os.chdir(namespace["__folder"].name)


def _leave_folder(namespace: dict[str, Any]) -> None:
    os.chdir(namespace["__previous_folder"])
    namespace["__folder"].cleanup()


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(), SkipParser()],
    path=str(Path(__file__).resolve().parent.parent),
    patterns=["*.md"],
    setup=_enter_empty_folder,
    teardown=_leave_folder,
).pytest()
