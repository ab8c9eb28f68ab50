"""Neither tests nor the processes that they start reach other machines.

192.0.2.0/24 and 2001:db8::/32 are reserved for documentation and belong to nobody.
"""

import multiprocessing
import socket
import subprocess
import sys

import pytest

UDP = "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)"
ATTEMPTS = [
    "socket.create_connection(('192.0.2.1', 80), timeout=5)",
    "socket.create_connection(('2001:db8::1', 80), timeout=5)",
    "socket.socket().connect_ex(('192.0.2.1', 80))",
    f"{UDP}.sendto(b'x', ('192.0.2.1', 53))",
    f"{UDP}.sendmsg([b'x'], [], 0, ('192.0.2.1', 53))",
    "socket.getaddrinfo('example.org', 80)",
    "socket.gethostbyname('example.org')",
    "socket.gethostbyaddr('192.0.2.1')",
    "socket.getnameinfo(('192.0.2.1', 80), 0)",
    "urllib.request.urlopen('http://example.org', timeout=5)",
]
REFUSED = r"a test tried to reach (192\.0\.2\.1|2001:db8::1|example\.org)"


def attempt(code):
    exec(code, {"socket": socket, "urllib": __import__("urllib.request")})


@pytest.mark.parametrize("code", ATTEMPTS)
def test_a_test_cannot_reach_another_machine(code):
    with pytest.raises(OSError, match=REFUSED):
        attempt(code)


def test_a_process_that_a_test_starts_cannot_reach_another_machine():
    program = "\n".join(
        [
            "import socket, sys, urllib.request",
            "for code in sys.argv[1:]:",
            "    try: exec(code)",
            "    except OSError as error: print(error)",
        ]
    )
    result = subprocess.run([sys.executable, "-c", program, *ATTEMPTS], capture_output=True, text=True, check=True)
    assert result.stdout.count("a test tried to reach") == len(ATTEMPTS)


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_worker_processes_cannot_reach_another_machine(method):
    with multiprocessing.get_context(method).Pool(1) as pool, pytest.raises(OSError, match=REFUSED):
        pool.apply(attempt, [ATTEMPTS[0]])


def test_processes_on_this_machine_can_connect():
    with socket.create_server(("127.0.0.1", 0)) as server:
        code = f"import socket; socket.create_connection(('localhost', {server.getsockname()[1]}), timeout=5)"
        subprocess.run([sys.executable, "-c", code], check=True)
