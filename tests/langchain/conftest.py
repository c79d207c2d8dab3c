"""What this Python can load of these tests, and that none of them is traced."""

from __future__ import annotations

import os
import sys

# LangMem uses names of `typing` that came with 3.11.
collect_ignore_glob = [] if sys.version_info >= (3, 11) else ["test_*langmem.py"]

# LangSmith's client reads these once and sends from a thread that outlives the tests.
for _name in [name for name in os.environ if name.startswith(("LANGSMITH_", "LANGCHAIN_"))]:
    del os.environ[_name]
