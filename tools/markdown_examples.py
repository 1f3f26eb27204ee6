"""A pytest plugin that runs the examples of Markdown pages; the examples of a page share one namespace.

Python blocks are run; `<!-- skip: next, "the reason" -->` above a block skips it and reports the reason. Commands in
`console` blocks are checked (`console_examples.py`); `<!-- run -->` above a block runs them and compares their output.
Each page runs in an empty working directory, so that examples can write files.
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
        PythonCodeBlockParser(),  # also in <!-- invisible-code-block: python … -->
        SkipParser(),
        CodeBlockParser(language="console", evaluator=console_example),
        CodeBlockParser(language="bash", evaluator=console_example),
    ],
    path=str(Path(__file__).resolve().parent.parent),
    patterns=["*.md"],
    setup=_enter_empty_folder,
    teardown=_leave_folder,
).pytest()
