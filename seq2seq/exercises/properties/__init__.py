"""The properties of each exercise: a module NAME for the exercise NAME."""
