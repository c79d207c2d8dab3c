"""Adapters that present the engine in the frameworks people use. They translate and delegate; they decide nothing."""
