"""What ``rqdeps demo`` runs: a pipeline that summarises text, section by section."""
