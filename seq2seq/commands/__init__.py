"""One file for each command of the command line; no other part of the package imports them."""
