"""Block connections to other machines, for pytest and, by PYTHONPATH, for every Python process that a test starts.

An audit hook sees connect, connect_ex, sendto, sendmsg and name resolution before any packet is sent, and cannot be
removed by other code. Loopback stays open: processes that train together communicate over it.
"""

import socket
import sys

LOCAL_HOSTS = {None, "", "localhost", "::", "::1", "0.0.0.0", socket.gethostname()}
SEND_EVENTS = {"socket.connect", "socket.sendto", "socket.sendmsg"}
RESOLVE_EVENTS = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}


def refuse(event, args):
    if event in SEND_EVENTS and args[0].family in (socket.AF_INET, socket.AF_INET6):
        host = args[1] and args[1][0]
    elif event in RESOLVE_EVENTS:
        host = args[0]
    elif event == "socket.getnameinfo":
        host = args[0][0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if host not in LOCAL_HOSTS and not str(host).startswith("127."):
        raise OSError(f"a test tried to reach {host}")


sys.addaudithook(refuse)
