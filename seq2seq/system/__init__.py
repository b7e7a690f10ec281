"""The machine: devices, processes, threads, files, signals, console."""
