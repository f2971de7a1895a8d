"""Writes `python/irsa/_twins.py`, the awaitable twins of the verbs in `_client.py`; `--check` only compares.

Run it with a Python that has ruff, such as that of target/testbed/venv.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent / "python" / "irsa"
SOURCE, TARGET = HERE / "_client.py", HERE / "_twins.py"

HEAD = '''"""The awaitable twin of every verb. Generated from `_client.py` by `irsa-py/twins.py`: do not edit it."""

from __future__ import annotations

{imports}

TYPE_CHECKING = False


class Twins:
    """The awaitable verbs of a client."""

    if TYPE_CHECKING:
        _core: Core

'''


def generate() -> str:
    source = SOURCE.read_text()
    imports = source[source.index("import os") : source.index("from irsa._twins")].replace(
        "import wait", "import future"
    )
    body = source[source.index("class Client") : source.index("\nClient.__module__")]
    methods = [
        part
        for part in re.split(r"(?m)^(?=    (?:def |@))", body)[1:]
        if "return wait(" in part or "return self.apply_all(" in part
    ]
    return formatted(HEAD.format(imports=imports.strip()) + "".join(map(twin, methods)))


def twin(method: str) -> str:
    name = re.match(r"    def (\w+)\(", method)[1]  # type: ignore[index]
    method = method.replace(f"def {name}(", f"async def {name}_async(", 1)
    method = re.sub(r'(?m)^(        """.*)$', rf"\1\n\n        The awaitable twin of `{name}`.", method, count=1)
    method = re.sub(r"return self\.(\w+)\(", r"return await self.\1_async(", method)
    return method.replace("return wait(", "return await future(")


def formatted(text: str) -> str:
    for command in (["format"], ["check", "--fix", "-q"], ["format"]):
        argv = [sys.executable, "-m", "ruff", *command, "--stdin-filename", str(TARGET), "-"]
        text = subprocess.run(argv, input=text, capture_output=True, text=True, check=True).stdout
    return text


def main() -> int:
    text = generate()
    if "--check" not in sys.argv:
        TARGET.write_text(text)
    elif TARGET.read_text() != text:
        print(f"{TARGET.name} is out of date: run {Path(__file__).name}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
