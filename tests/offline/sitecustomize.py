"""No connection leaves this machine: for pytest, and by PYTHONPATH for every Python process that a test starts.

An audit hook hears of connect, connect_ex, sendto, sendmsg and of each look-up of a name before any packet is sent,
and no code can take it away again. Loopback stays open, by which processes that train together find each other.
"""

import socket
import sys

HOME = {None, "", "localhost", "::", "::1", "0.0.0.0", socket.gethostname()}
SENDS = {"socket.connect", "socket.sendto", "socket.sendmsg"}
LOOK_UPS = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}


def refuse(event, args):
    if event in SENDS and args[0].family in (socket.AF_INET, socket.AF_INET6):
        host = args[1] and args[1][0]
    elif event in LOOK_UPS:
        host = args[0]
    elif event == "socket.getnameinfo":
        host = args[0][0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if host not in HOME and not str(host).startswith("127."):
        raise OSError(f"a test tried to reach {host}")


sys.addaudithook(refuse)
