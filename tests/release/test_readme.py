"""README.md holds: its command starts the broker, and its tour gives the output that stands in it.

Every ```console block is run in order, in one shell, in an empty folder, and prints to a terminal. A line that starts with
`$ ` is a command (its continuation starts with `> `), the lines up to the next one are what it prints. What differs from
run to run (ids, times) is compared by its shape.

    tests/release/test_readme.py --write    runs the tour and writes into README.md what it printed
"""

import fcntl
import os
import pty
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/clients/python"))
RELEASE = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
os.environ.setdefault("FOREBAY_BIN", str(RELEASE / "forebay"))

from broker import START_SECONDS_MAX, Broker  # noqa: E402

START_COMMAND = "cargo run --release -- serve"
END_OF_COMMAND = "-- end of command --"
COLUMNS = 100
SHAPES = [
    (r"127\.0\.0\.1:\d+", "ADDRESS"),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID"),
    (r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z", "TIME"),
    (r"\bAKIA[A-Z2-7]{16}\b", "KEY"),
    (r"[A-Za-z0-9_-]{40,}", "HANDLE"),
    (r"\b\d+(\.\d+)?(ms|s|µs)\b", "DURATION"),
    (r"[ \t]+", " "),
    (r"─+", "─"),
]


def shape(text):
    for pattern, name in SHAPES:
        text = re.sub(pattern, name, text)
    return [line.strip() for line in text.strip().splitlines()]


def tour():
    """The commands of the README with the output written there."""
    text = (ROOT / "README.md").read_text()
    steps = []
    for block in re.findall(r"^```console\n(.*?)^```$", text, re.M | re.S):
        for line in block.splitlines():
            if line.startswith("$ "):
                steps.append((line[2:], []))
            elif line.startswith("> "):
                command, output = steps.pop()
                steps.append((f"{command}\n{line[2:]}", output))
            else:
                steps[-1][1].append(line)
    return [(command, "\n".join(output)) for command, output in steps]


class Shell:
    """One bash that runs command after command and says what each wrote to its terminal."""

    def __init__(self, folder, environment):
        master, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
        self.process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=terminal,
            stderr=terminal,
            text=True,
            start_new_session=True,
        )
        os.close(terminal)
        self.output = os.fdopen(master, "rb", buffering=0)

    def run(self, command):
        self.process.stdin.write(f"{command}\necho '{END_OF_COMMAND}'\n")
        self.process.stdin.flush()
        printed = b""
        while not printed.endswith(f"{END_OF_COMMAND}\r\n".encode()):
            printed += self.output.read(65536)
        return printed.decode().replace("\r\n", "\n").removesuffix(f"{END_OF_COMMAND}\n")

    def close(self):
        """Ends the shell and what it started in the background: a process group of its own."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdin.close()
        self.output.close()


@pytest.fixture
def broker(tmp_path):
    """Settings for a broker whose port is free; the tour starts the processes itself."""
    broker = Broker(tmp_path / "broker")
    yield broker
    if broker.process is not None and broker.process.poll() is None:
        broker.kill()


def test_the_command_of_the_readme_starts_the_broker(broker, tmp_path):
    assert START_COMMAND in (ROOT / "README.md").read_text()
    environment = {**os.environ, **broker.settings, "FOREBAY__SERVER__DATA_DIR": str(tmp_path / "data")}
    process = subprocess.Popen(START_COMMAND.split(), cwd=ROOT, env=environment, start_new_session=True)
    try:
        for _ in range(600):
            if broker.is_serving():
                break
            assert process.poll() is None, "the command ended"
            try:
                process.wait(0.5)
            except subprocess.TimeoutExpired:
                continue
        assert broker.is_serving()
        # cargo passes no signal on, so the whole group gets it, as from a terminal.
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(60) == 0
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def is_listening(port):
    """Whether somebody accepts connections: of a process that was killed, its port may outlive its entry in /proc."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def take_the_tour(broker, folder):
    """Runs the commands of the README; gives for each the output written there and the output printed."""
    environment = {
        **os.environ,
        "PATH": f"{RELEASE}:{ROOT / 'tests/.venv-aws/bin'}:{os.environ['PATH']}",
        "FOREBAY_SERVER": f"http://{broker.address}",
        "FOREBAY__LISTEN__API__ADDRESS": broker.address,
        "NO_COLOR": "1",
    }
    shell = Shell(folder, environment)
    try:
        for command, written in tour():
            yield command, written, shell.run(command.replace("127.0.0.1:9400", broker.address))
            # A reader is slower than a starting or an ending process; the test waits instead.
            deadline = time.monotonic() + START_SECONDS_MAX
            while (command.startswith("kill ") and is_listening(broker.port)) or (
                "forebay serve" in command and not broker.is_serving()
            ):
                assert time.monotonic() < deadline, f"the broker of the tour does not start or end: {command}"
                time.sleep(0.02)
    finally:
        shell.close()


def test_the_tour_prints_what_the_readme_says(broker, tmp_path):
    steps = 0
    for command, written, printed in take_the_tour(broker, tmp_path):
        assert shape(printed) == shape(written), f"$ {command}\n{printed}"
        steps += 1
    assert steps >= 10


def write():
    """Puts what the tour prints now into README.md, with the address a reader has."""
    blocks = []
    with tempfile.TemporaryDirectory() as folder:
        broker = Broker(Path(folder) / "broker")
        for command, _, printed in take_the_tour(broker, folder):
            continued = command.replace("\n", "\n> ")
            clean = "\n".join(line.rstrip() for line in printed.replace(broker.address, "127.0.0.1:9400").splitlines())
            blocks.append((command, f"$ {continued}\n{clean}".rstrip("\n")))
    text = (ROOT / "README.md").read_text()
    steps = iter(blocks)

    def filled(match):
        count = len(re.findall(r"^\$ ", match.group(1), re.M))
        return "```console\n" + "\n".join(next(steps)[1] for _ in range(count)) + "\n```"

    (ROOT / "README.md").write_text(re.sub(r"^```console\n(.*?)^```$", filled, text, flags=re.M | re.S))


if __name__ == "__main__":
    assert sys.argv[1:] == ["--write"], __doc__
    write()
