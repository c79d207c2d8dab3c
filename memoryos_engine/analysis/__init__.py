"""Who reads the text: the port, and the analyst that needs no model."""
