"""What a model is asked and how its reply is read, one file for each task."""
