"""The state machine of ``test_state_machine.py``, by who does what: each module adds commands to those before it."""
