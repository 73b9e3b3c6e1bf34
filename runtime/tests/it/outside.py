"""The life of a server in a network namespace with nothing but loopback, and what of it tried to get out.

Started by outside.rs as `unshare --net python3 -c … BINARY FOLDER`. Prints one JSON object: who answered, how the server
ended, and the kernel's counters of this namespace before, after, and after attempts that are known to want out.
"""

import ctypes
import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.request

BINARY, FOLDER = sys.argv[1:]
QUESTIONS = [
    "Can I get a refund of my annual plan?",
    "How do I rotate an API key without downtime?",
    "Do you sign a data processing agreement under the GDPR?",
    "hello there",
]


LIBC = ctypes.CDLL(None)


def die_with_parent():
    """Nothing of this outlives the test, however it ends."""
    LIBC.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def bring_loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(any_socket, 0x8913, request))[1]  # SIOCGIFFLAGS
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", flags | 1))  # SIOCSIFFLAGS, IFF_UP


def counters():
    """What found no route (both protocols), and datagrams sent: a resolver on loopback would be asked by UDP."""
    counted = {}
    with open("/proc/self/net/snmp") as file:
        lines = [line.split() for line in file]
    for names, values in zip(lines[::2], lines[1::2]):
        counted.update({names[0] + name: int(value) for name, value in zip(names[1:], values[1:])})
    with open("/proc/self/net/snmp6") as file:
        counted.update({name: int(value) for name, value in (line.split() for line in file)})
    wanted = ("Ip:OutNoRoutes", "Ip6OutNoRoutes", "Udp:OutDatagrams", "Udp6OutDatagrams")
    return {name: counted[name] for name in wanted}


def run(*arguments, **options):
    done = subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=60, **options)
    assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
    return done.stdout


def fetch(url, body=None):
    headers = {"Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    no_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with no_proxy.open(urllib.request.Request(url, data, headers), timeout=60) as answer:
        return answer.read().decode()


def wait_until_healthy(base):
    deadline = time.monotonic() + 60
    while True:
        try:
            return fetch(base + "/api/health")
        except urllib.error.HTTPError as error:
            assert error.code == 503 and time.monotonic() < deadline, f"it is not healthy: {error}"
            time.sleep(0.02)


def live():
    """Starts a server on an empty folder, uses all of it, and stops it."""
    data = os.path.join(FOLDER, "data")
    with open(os.path.join(FOLDER, "server.log"), "w") as log:
        server = subprocess.Popen(
            [BINARY, "serve", "--port", "0", "--data-dir", data],
            stdout=subprocess.PIPE, stderr=log, text=True, cwd=FOLDER, preexec_fn=die_with_parent,
        )
    line = server.stdout.readline()
    address = line.partition("http://")[2].strip()
    assert address, f"it does not listen: {line}"
    base = "http://" + address
    wait_until_healthy(base)
    agents = set()
    for index, question in enumerate(QUESTIONS):
        session = f"0189a0f4-1111-7000-8000-00000000000{index}"
        answer = json.loads(fetch(base + "/api/chat", {"session_id": session, "message": question}))
        assert answer["message"], answer
        agents.add(answer["agent"])
    for path in ("/metrics", "/api/docs", "/api/openapi.json", "/api/health", "/api/health/services"):
        assert fetch(base + path), path
    assert "30 days" in run("chat", "--url", base, input=QUESTIONS[0] + "\n")
    folder = os.path.join(FOLDER, "documents")
    os.mkdir(folder)
    with open(os.path.join(folder, "parking.md"), "w") as file:
        file.write("# Parking\n\nVisitors park their zeppelin behind the north hangar. See https://example.com/map.\n")
    run("ingest", folder, "--collection", "policy", "--data-dir", data)
    assert "parking.md" in run("search", "Where do visitors park a zeppelin?", "--data-dir", data)
    server.send_signal(signal.SIGTERM)
    return {"agents": sorted(agents), "code": server.wait(timeout=60)}


def want_out():
    """Tries what a library that phones home, or looks up a name, would try."""
    attempts = [
        (socket.AF_INET, socket.SOCK_STREAM, ("192.0.2.1", 443)),
        (socket.AF_INET, socket.SOCK_DGRAM, ("192.0.2.1", 53)),
        (socket.AF_INET6, socket.SOCK_STREAM, ("2001:db8::1", 443)),
        (socket.AF_INET6, socket.SOCK_DGRAM, ("2001:db8::1", 53)),
    ]
    for family, kind, address in attempts:
        with socket.socket(family, kind) as out:
            out.settimeout(5)
            try:
                out.connect(address)
                out.send(b"?")
            except OSError:
                continue
            raise AssertionError(f"{address} can be reached: this namespace is no prison")
    for family, address in ((socket.AF_INET, ("127.0.0.1", 53)), (socket.AF_INET6, ("::1", 53))):
        with socket.socket(family, socket.SOCK_DGRAM) as out:
            out.sendto(b"?", address)


die_with_parent()
bring_loopback_up()
report = {"before": counters()}
report.update(live())
report["after"] = counters()
want_out()
report["control"] = counters()
print(json.dumps(report))
