"""Layers that several models are built from: attention, recurrent cells, dropout, loss."""
