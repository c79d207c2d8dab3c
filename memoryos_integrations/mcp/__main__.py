"""`python -m memoryos_integrations.mcp` is the command `memoryos-mcp`."""

from __future__ import annotations

from memoryos_integrations.mcp.command import run

if __name__ == "__main__":
    run()
