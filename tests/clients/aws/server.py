"""The real binary for clients of the AWS protocols: a free loopback port, a data folder, imported access keys.

As a program it runs a command with the server's address and key in its environment, so that every SDK finds them:

    tests/clients/aws/server.py COMMAND...

FOREBAY_BIN names the binary. Only Python's own library is used, so that every virtual environment can import this.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
REGION = "eu-central-1"
START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 60


@dataclass(frozen=True)
class Key:
    id: str
    secret: str
    account: str
    user: str
    policy: str = ""


OWNER = Key("AKIAFOREBAYOWNER0001", "owner/secret+Gt7PZ1mVQm8kTq0wY2rJ4nB6xL", "111122223333", "owner")
# Of the same account, but it may only look and receive.
READER = Key(
    "AKIAFOREBAYREADER001",
    "reader/secret+Gt7PZ1mVQm8kTq0wY2rJ4nB6x",
    "111122223333",
    "reader",
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Resource":"*",'
    '"Action":["sqs:Get*","sqs:List*","sqs:ReceiveMessage"]}]}',
)
# Of another account, where it may do everything.
STRANGER = Key("AKIAFOREBAYSTRANGER1", "stranger/secret+Gt7PZ1mVQm8kTq0wY2rJ4nB", "444455556666", "stranger")
# Of that account too, but it may only send.
CLERK = Key(
    "AKIAFOREBAYCLERK0001",
    "clerk/secret+Gt7PZ1mVQm8kTq0wY2rJ4nB6xLp",
    "444455556666",
    "clerk",
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Resource":"*","Action":"sqs:SendMessage"}]}',
)
KEYS = (OWNER, READER, STRANGER, CLERK)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def binary():
    return os.environ.get("FOREBAY_BIN", str(ROOT / "target/debug/forebay"))


class Server:
    """One broker: the process may come and go, the port, the data and the keys stay."""

    def __init__(self, folder, scheme="http", **settings):
        self.folder = Path(folder)
        self.port = free_port()
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        self.log = self.folder / "server.log"
        self.settings = {
            "FOREBAY__SERVER__DATA_DIR": str(self.folder / "data"),
            "FOREBAY__LISTEN__API__ADDRESS": f"127.0.0.1:{self.port}",
            "FOREBAY__SERVER__PARTITIONS": "4",
            "FOREBAY__STORAGE__SEGMENT_SIZE": "8MiB",
            "FOREBAY__STORAGE__MIN_FREE": "0%",
            **settings,
        }
        self.process = None

    def __enter__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        for key in KEYS:
            self.import_key(key)
        self.start()
        return self

    def __exit__(self, *_):
        if self.process is not None and self.process.poll() is None:
            self.kill()

    def environment(self):
        return {"PATH": os.environ["PATH"], "RUST_BACKTRACE": "1", **self.settings}

    def import_key(self, key):
        """Offline, before the first start."""
        data = "FOREBAY__SERVER__DATA_DIR"
        environment = {"PATH": os.environ["PATH"], data: self.settings[data]}
        command = [binary(), "access", "key", "import", "--offline", "--id", key.id, "--secret-file", "-"]
        command += ["--account", key.account, "--user", key.user]
        if key.policy:
            path = self.folder / f"{key.user}.json"
            path.write_text(key.policy)
            command += ["--policy-file", str(path)]
        ran = subprocess.run(
            command, env=environment, cwd=self.folder, input=key.secret, text=True, capture_output=True
        )
        if ran.returncode != 0:
            raise RuntimeError(f"{key.id} was not imported: {ran.stderr}")

    def start(self):
        """Starts the process and returns when its port answers."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [binary(), "serve"],
                cwd=self.folder,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_SECONDS_MAX
        while not self.is_listening():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the broker does not serve:\n{self.log_tail()}")
            time.sleep(0.02)

    def is_listening(self):
        # The port listens before the log is read, so a connection alone says nothing.
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        started = max((at for at, line in enumerate(lines) if "recovered" in line), default=None)
        return started is not None and any('"ready"' in line for line in lines[started:])

    def kill(self):
        """kill -9: no chance to write anything."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(STOP_SECONDS_MAX)

    def restart_after_kill(self):
        self.kill()
        # What the killed process said must not be taken for the next one's.
        self.log.rename(self.log.with_suffix(".before.log"))
        self.start()

    def log_tail(self, lines=40):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def client_environment(self, key=OWNER):
        """What an SDK reads to find the server and to sign."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": key.id,
            "AWS_SECRET_ACCESS_KEY": key.secret,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ACCOUNT": key.account,
        }


@contextlib.contextmanager
def running(**settings):
    with tempfile.TemporaryDirectory(prefix="forebay-aws-") as folder, Server(folder, **settings) as server:
        yield server
        if server.process.poll() is not None or "panicked at" in server.log.read_text(errors="replace"):
            raise RuntimeError(f"the broker broke:\n{server.log_tail()}")


if __name__ == "__main__":
    with running() as the_server:
        sys.exit(subprocess.run(sys.argv[1:], env={**os.environ, **the_server.client_environment()}).returncode)
