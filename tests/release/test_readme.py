"""README.md holds: its command starts the broker, and its tour gives the output that stands in it.

Every ```console block is run in order, in one shell, in an empty folder, and prints to a terminal. A line that starts with
`$ ` is a command (its continuation starts with `> `), the lines up to the next one are what it prints. What differs from
run to run (ids, times) is compared by its shape.
"""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/clients/python"))
RELEASE = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
os.environ.setdefault("FOREBAY_BIN", str(RELEASE / "forebay"))

from broker import Broker  # noqa: E402

START_COMMAND = "cargo run --release -- serve"
END_OF_COMMAND = "-- end of command --"
COLUMNS = 100
SHAPES = [
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID"),
    (r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z", "TIME"),
    (r"\b[A-Za-z0-9_-]{40,}\b", "HANDLE"),
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


def test_the_tour_prints_what_the_readme_says(broker, tmp_path):
    steps = tour()
    assert len(steps) >= 8
    environment = {
        **os.environ,
        "PATH": f"{RELEASE}:{os.environ['PATH']}",
        "FOREBAY_SERVER": f"http://{broker.address}",
        "FOREBAY__LISTEN__API__ADDRESS": broker.address,
        "NO_COLOR": "1",
    }
    shell = Shell(tmp_path, environment)
    try:
        for command, written in steps:
            printed = shell.run(command)
            assert shape(printed) == shape(written), f"$ {command}\n{printed}"
    finally:
        shell.close()
