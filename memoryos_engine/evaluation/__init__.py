"""Figures: retrieval quality, languages and speed, each printed by a command."""
