"""A griffe extension that makes docstrings read well on the site: roles such as ```nms` ``, and examples."""

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:py:)?(?:class|func|meth|mod|attr|data|exc):`~?([^`]+)`")
#: Griffe knows the plural only, and takes the singular for prose, whose brackets are links then.
_EXAMPLE = re.compile(r"^(\s*)Example:$", re.MULTILINE)


class DocstringRoles(griffe.Extension):
    """Replaces each role by its target in code style, and names examples as griffe expects."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rewrite the docstring of one object."""
        if obj.docstring:
            text = _EXAMPLE.sub(r"\1Examples:", _ROLE.sub(r"`\1`", obj.docstring.value))
            # What follows is indented: Markdown takes it for code without the second colon.
            obj.docstring.value = re.sub(r"::$", ":", text, flags=re.MULTILINE)
