"""How fast rqdeps is, and other queues beside it: ``python -m benchmarks --help``."""
