"""A griffe extension that prepares docstrings for the site: `Example:` sections and literal blocks."""

import re
from typing import Any

import griffe

#: Griffe only knows the plural. It renders the singular as prose and turns brackets in the code into links.
_EXAMPLE = re.compile(r"^(\s*)Example:$", re.MULTILINE)


class SiteDocstrings(griffe.Extension):
    """Renames `Example:` to `Examples:` and `::` at the end of a line to `:`."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rewrite the docstring of an object."""
        if obj.docstring:
            text = _EXAMPLE.sub(r"\1Examples:", obj.docstring.value)
            # The block after `::` is indented, which Markdown already renders as code.
            obj.docstring.value = re.sub(r"::$", ":", text, flags=re.MULTILINE)
