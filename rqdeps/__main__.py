"""``python -m rqdeps`` is ``rqdeps``."""

from rqdeps.cli import main

if __name__ == "__main__":
    main(prog_name="rqdeps")
