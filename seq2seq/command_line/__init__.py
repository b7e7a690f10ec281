"""The arguments and options of every command, grouped by subject. The logic is in other modules."""
