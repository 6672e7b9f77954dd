"""The chaos suite: random graphs, while workers are killed, the server is restarted and connections are cut.

Then all is healed and drained, and checked from what the jobs wrote down outside of the server and from what is stored.
Run ``python -m chaos --help`` in ``tests/``.
"""
