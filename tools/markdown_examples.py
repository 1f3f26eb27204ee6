"""A pytest plugin that runs the examples of Markdown pages, those of one page in order and in one namespace.

Python blocks run; `<!-- skip: next, "the reason" -->` above one leaves it out, with that reason in the report. Commands
in `console` blocks are checked (`console_examples.py`); `<!-- run -->` above such a block runs them and compares what
they print. Each page runs in an empty working directory, so that an example may write files.
"""

import os
import tempfile
from pathlib import Path
from typing import Any

from sybil import Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser

from console_examples import console_example


def _enter_empty_folder(namespace: dict[str, Any]) -> None:
    namespace["quick"] = os.environ.get("DETECTORY_SLOW_EXAMPLES") != "1"
    namespace["__previous_folder"], namespace["__folder"] = os.getcwd(), tempfile.TemporaryDirectory()
    os.chdir(namespace["__folder"].name)


def _leave_folder(namespace: dict[str, Any]) -> None:
    os.chdir(namespace["__previous_folder"])
    namespace["__folder"].cleanup()


pytest_collect_file = Sybil(
    parsers=[
        PythonCodeBlockParser(),  # and those that a page hides in <!-- invisible-code-block: python … -->
        SkipParser(),
        CodeBlockParser(language="console", evaluator=console_example),
        CodeBlockParser(language="bash", evaluator=console_example),
    ],
    path=str(Path(__file__).resolve().parent.parent),
    patterns=["*.md"],
    setup=_enter_empty_folder,
    teardown=_leave_folder,
).pytest()
