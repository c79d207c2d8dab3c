"""What the adapters cost and bring, as figures: commands that print, never tests that assert a time."""

from __future__ import annotations
