"""Tries what a gateway that was taken over would try. Prints one JSON object: "ok", or the name of the error, for each.

argv: processes outside of the box, of another user and of the gateway's own, and where the second one's stack ends, in hex
"""

import ctypes
import errno
import json
import os
import signal
import socket
import subprocess
import sys

OTHER = int(sys.argv[1])  # a process of another user
TWIN = int(sys.argv[2])  # a process of the gateway's user, outside of the box
PLACE = int(sys.argv[3], 16) - 8  # the end of that one's stack: eight bytes that are zero, and stay so
libc = ctypes.CDLL(None, use_errno=True)


def call(name, *arguments):
    if getattr(libc, name)(*arguments) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def write(path):
    with open(path, "w") as file:
        file.write("x")
    os.unlink(path)


def run_own(folder):
    path = f"{folder}/sandbox-probe-program"
    with open("/usr/bin/true", "rb") as source, open(path, "wb") as target:
        target.write(source.read())
    os.chmod(path, 0o755)
    try:
        subprocess.run([path], check=True)
    finally:
        os.unlink(path)


def run_in_memory():
    memory = os.memfd_create("probe", 0)
    with open("/usr/bin/true", "rb") as source:
        os.write(memory, source.read())
    program = os.open(f"/proc/self/fd/{memory}", os.O_RDONLY)
    os.close(memory)  # what is open for writing doesn't run
    subprocess.run([f"/proc/self/fd/{program}"], check=True, pass_fds=[program])


def set_up_io_uring():
    parameters = ctypes.create_string_buffer(120)
    ring = libc.syscall(425, 1, parameters)  # io_uring_setup
    if ring == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    os.close(ring)


def run_setuid():
    """A program of root's that anybody may run as root."""
    user = subprocess.run(["/usr/local/lib/sandbox-probe-id", "-u"], check=True, stdout=subprocess.PIPE).stdout
    if user.strip() != b"0":
        raise PermissionError(errno.EPERM, "ran, but not as root")


def write_memory():
    with open(f"/proc/{TWIN}/mem", "r+b", buffering=0) as memory:
        memory.seek(PLACE)
        memory.write(b"\0")


def hand_over_memory():
    class Part(ctypes.Structure):
        _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]

    byte = ctypes.create_string_buffer(1)
    ours, theirs = Part(ctypes.addressof(byte), 1), Part(PLACE, 1)
    one, none = ctypes.c_ulong(1), ctypes.c_ulong(0)
    call("process_vm_writev", TWIN, ctypes.byref(ours), one, ctypes.byref(theirs), one, none)


def connect(family, address):
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(5)
        client.connect(address)


def send(family, address):
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        client.sendto(b"", address)


def bind(family, address):
    with socket.socket(family, socket.SOCK_STREAM) as server:
        server.bind(address)


TRIES = {
    "write its folder": lambda: write("/var/lib/openclaw/sandbox-probe"),
    "write /tmp": lambda: write("/tmp/sandbox-probe"),
    "write /etc": lambda: write("/etc/sandbox-probe"),
    "write /opt/openclaw": lambda: write("/opt/openclaw/sandbox-probe"),
    "write /run/lock, which is open to all": lambda: write("/run/lock/sandbox-probe"),
    "list /home": lambda: os.listdir("/home"),
    "list /root": lambda: os.listdir("/root"),
    "list /etc/monoclaw": lambda: os.listdir("/etc/monoclaw"),
    "list /var/lib/monoclaw": lambda: os.listdir("/var/lib/monoclaw"),
    "read /etc/shadow": lambda: open("/etc/shadow").close(),
    "see the host's /tmp": lambda: os.stat("/tmp/sandbox-probe-mark"),
    "run a program of its folder": lambda: run_own("/var/lib/openclaw"),
    "run a program of /tmp": lambda: run_own("/tmp"),
    "run a program of /dev/shm": lambda: run_own("/dev/shm"),
    "run a program in memory": run_in_memory,
    "run as root by setuid": run_setuid,
    "ask for metadata": lambda: connect(socket.AF_INET, ("169.254.169.254", 80)),
    "ask for metadata over IPv6": lambda: connect(socket.AF_INET6, ("fd00:ec2::254", 80)),
    "send to another link-local address": lambda: send(socket.AF_INET, ("169.254.0.1", 9)),
    "reach the gateway": lambda: connect(socket.AF_INET, ("127.0.0.1", 18789)),
    "reach the host's own sshd": lambda: connect(socket.AF_INET, ("127.0.0.1", 22022)),
    "listen on a port that the kernel chooses": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM).listen(),
    "set up io_uring": set_up_io_uring,
    "listen on another port": lambda: bind(socket.AF_INET, ("0.0.0.0", 18790)),
    "listen on another port over IPv6": lambda: bind(socket.AF_INET6, ("::", 18790)),
    "open a raw socket": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close(),
    "see another user's process": lambda: os.stat(f"/proc/{OTHER}"),
    "see the kernel's numbers": lambda: os.stat("/proc/meminfo"),
    "signal another user's process": lambda: os.kill(OTHER, 0),
    "write another process's memory by its file": write_memory,
    "write another process's memory by a call": hand_over_memory,
    "set the host's name": lambda: call("sethostname", socket.gethostname().encode(), len(socket.gethostname())),
    "be traced": lambda: call("ptrace", 0, 0, 0, 0),
    "mount": lambda: call("mount", b"none", b"/mnt", b"tmpfs", 0, None),
    "make a user namespace": lambda: call("unshare", 0x10000000),
    "change its personality": lambda: call("personality", 0x0040000),
    "open a device": lambda: os.stat("/dev/net/tun"),
}

result = {}
for name, attempt in TRIES.items():
    child = os.fork()
    if child == 0:
        code = 0
        try:
            attempt()
        except OSError as error:
            code = error.errno or 255
        except subprocess.CalledProcessError:
            code = 255
        os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    ended = signal.Signals(-code).name if code < 0 else errno.errorcode.get(code, str(code))
    result[name] = "ok" if code == 0 else ended
print(json.dumps(result))
