"""All that knows Redis: the names of keys, the Lua scripts, the calls to them, and connections."""

from rqdeps.store.async_store import AsyncStore
from rqdeps.store.calls.call import Call
from rqdeps.store.connection import connect, connect_async, display_url
from rqdeps.store.conversation import Conversation
from rqdeps.store.deployment import RegisteredQueues
from rqdeps.store.keys import Keys
from rqdeps.store.store import Store

__all__ = [
    "AsyncStore",
    "Call",
    "Conversation",
    "Keys",
    "RegisteredQueues",
    "Store",
    "connect",
    "connect_async",
    "display_url",
]
