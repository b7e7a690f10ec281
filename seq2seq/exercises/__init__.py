"""Exercises: small files with one planted bug, and the properties that judge a repair.

An exercise NAME with number NN consists of three files:

    lessons/exercises/NN_NAME.py         what a student gets
    lessons/exercises/NN_NAME.toml       title, symptom, hints, explanation, and a repair
    seq2seq/exercises/properties/NAME.py the properties that a correct file has

The file of a student runs in a process of its own, which only computes: it receives a function name
and arguments and returns a result. The process that judges the results never runs the file.
"""
