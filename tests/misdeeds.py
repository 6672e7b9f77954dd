"""What jobs do to the process that they run in, and a look around it for the next."""

from __future__ import annotations

import atexit
import contextlib
import gc
import io
import locale
import os
import signal
import socket
import struct
import sys
import tempfile
import threading
import time

from rqdeps.worker.messages import TOKEN_BYTES, Report, frame

#: The descriptors that a process has at most, in these tests.
DESCRIPTORS = range(3, 200)

TIMERS = {"real": signal.ITIMER_REAL, "virtual": signal.ITIMER_VIRTUAL, "of profiles": signal.ITIMER_PROF}


def look_around():
    """What a job finds in its process, as far as it should be the same for all."""
    handlers = {number: signal.getsignal(number) for number in sorted(signal.valid_signals())}
    return {
        "directory": os.getcwd(),
        "environment": dict(os.environ),
        "environment of the system": os.popen("echo $RQDEPS_LEFT_BEHIND").read(),
        "umask": umask(),
        "locale": locale.setlocale(locale.LC_ALL),
        "handlers": {int(number): _name_of(handler) for number, handler in handlers.items()},
        "blocked": sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, ()))),
        "timers": {name: _is_set(timer) for name, timer in TIMERS.items()},
        "streams": [type(stream).__name__ for stream in (sys.stdin, sys.stdout, sys.stderr)],
        "closed": [stream.closed for stream in (sys.stdin, sys.stdout, sys.stderr)],
        "files": [list(os.fstat(number)[:3]) for number in range(3)],
        "input": sys.stdin.read(),
        "depth": sys.getrecursionlimit(),
        "patience": socket.getdefaulttimeout(),
        "collects": gc.isenabled(),
    }


def _name_of(handler):
    return getattr(handler, "__qualname__", str(handler))


def _is_set(timer):
    """Whether a timer is set to send something long after any time limit of these tests, or again and again."""
    left, interval = signal.getitimer(timer)
    return bool(interval) or left > 300


def umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


# What changes the process


def change_directory():
    os.chdir("/")


def delete_directory():
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    os.rmdir(folder)


def change_environment():
    os.environ.clear()
    os.environ["RQDEPS_LEFT_BEHIND"] = "it"


def change_bytes_of_environment():
    os.environb[b"RQDEPS_LEFT_BEHIND"] = b"\xff"


def change_umask():
    os.umask(0o777)


def change_locale():
    """To one of the two that are there on every system."""
    before = locale.setlocale(locale.LC_ALL)
    for name in ("C", "C.UTF-8"):
        if locale.setlocale(locale.LC_ALL, name) != before:
            return


def ignore_signals():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGPIPE, signal.SIGCHLD, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)


def die_of_signals():
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


def block_signals():
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())


def set_timers():
    for timer in TIMERS.values():
        signal.setitimer(timer, 600, 600)


def set_timers_that_send_once():
    for timer in TIMERS.values():
        signal.setitimer(timer, 600)


def close_streams():
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        stream.close()


def detach_streams():
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        stream.detach()


def replace_streams():
    sys.stdin, sys.stdout, sys.stderr = io.StringIO("input"), None, io.BytesIO()


def close_standard_files():
    os.closerange(0, 3)


def swap_standard_files():
    with tempfile.TemporaryFile() as file:
        for number in range(3):
            os.dup2(file.fileno(), number)


def close_every_file():
    os.closerange(0, DESCRIPTORS.stop)


def recurse(depth=0):
    return recurse(depth + 1)


def limit_recursion():
    sys.setrecursionlimit(120)


def hurry_sockets():
    socket.setdefaulttimeout(0.001)


def collect_no_garbage():
    gc.disable()


def hang_at_exit():
    atexit.register(time.sleep, 3600)


def leave_threads():
    for daemon in (True, False):
        threading.Thread(target=threading.Event().wait, daemon=daemon).start()


def fail_in_thread():
    threading.excepthook = lambda args: os.write(2, b"a thread failed\n")
    thread = threading.Thread(target=sys.exit, args=[3])
    thread.start()
    thread.join()


def unblock_files():
    for number in DESCRIPTORS:
        with contextlib.suppress(OSError):
            os.set_blocking(number, False)


# What writes where it should not


def write_everywhere(data):
    for number in DESCRIPTORS:
        with contextlib.suppress(OSError):
            os.write(number, data)


def write_rubbish():
    write_everywhere(b"rubbish" * 100)


def write_a_little():
    write_everywhere(b"x")


def write_rubbish_and_go_on():
    write_rubbish()
    time.sleep(60)


def forge_reports():
    """For the tasks with the lowest numbers; the first bytes can't be guessed."""
    forged = Report("returned", value=b'j"forged"')
    write_everywhere(b"".join(frame(b"\0" * TOKEN_BYTES, number, forged.pack()) for number in range(100)))
    time.sleep(60)


def forge_turns():
    write_everywhere(struct.pack(">I", 1))


def print_much():
    for _ in range(200):
        print("x" * (1 << 20))


# What ends the process, or makes two of it


def kill_group():
    os.kill(0, signal.SIGKILL)


def crash():
    signal.signal(signal.SIGSEGV, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGSEGV)
    time.sleep(60)


def abort():
    os.abort()


def end_with_0():
    os._exit(0)


def leave_with_text():
    sys.exit("enough")


class OwnError(BaseException):
    """Nothing that ``except Exception`` catches."""


def raise_own():
    raise OwnError("it is mine")


def generator_exit():
    raise GeneratorExit


def fork_and_return(path):
    """Both processes note something and return."""
    os.fork()
    _note(path)
    return "once"


def fork_and_raise(path):
    os.fork()
    _note(path)
    raise ValueError("twice")


async def fork_and_return_from_coroutine(path):
    os.fork()
    _note(path)
    return "once"


def fork_and_leave(path):
    """The copy calls what ends it; the job waits for it."""
    pid = os.fork()
    _note(path)
    if pid == 0:
        sys.exit(5)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _note(path):
    with open(path, "a") as file:
        file.write("here\n")
