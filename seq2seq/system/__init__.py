"""Operating system and hardware: devices, processes, threads, files, signals, console."""
