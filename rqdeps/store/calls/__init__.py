"""What can be asked of the server, one function per transition: which script, which arguments, how to read the reply.

Nothing here talks to a server. Whoever has a connection, of whatever kind, runs the calls.
"""
