"""All that knows Redis: the names of keys, the Lua scripts, the calls to them, and connections."""

from rqdeps.store.calls.call import Call
from rqdeps.store.connection import connect, display_url
from rqdeps.store.keys import Keys
from rqdeps.store.store import Store

__all__ = ["Call", "Keys", "Store", "connect", "display_url"]
