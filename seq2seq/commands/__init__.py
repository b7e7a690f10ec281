"""One module per command of the command line; no other subpackage imports them."""
