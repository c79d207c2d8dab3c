"""The invariants of a store that can be seen from its rows: each finds what breaks it, and mends it."""
