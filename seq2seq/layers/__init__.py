"""Layers shared by several models: attention, recurrent cells, dropout, loss."""
