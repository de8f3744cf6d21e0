"""The processor: which device and library run, memory, threads and processes."""
