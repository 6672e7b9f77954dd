"""Programs as users of RQ write them. ``test_at_home.py`` runs each on RQ, and with ``rqdeps`` in place of ``rq``.

A program is a public function of one of these modules. It gets a connection to an empty server, and returns what it has
observed, by name, as JSON can carry it. Nothing here imports anything of rqdeps.
"""
