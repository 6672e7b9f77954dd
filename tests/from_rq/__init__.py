"""What becomes of each public name of RQ in rqdeps: the verdicts, and the page of the docs that is made of them.

``python -m from_rq`` in the folder ``tests`` writes ``docs/from-rq.md`` anew.
"""
