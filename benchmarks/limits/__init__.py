"""What bounds every queue on this machine: ``python -m benchmarks limits``."""
