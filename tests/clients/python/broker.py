"""The real binary under test: started on a free loopback port with a data folder of its own, killed, started again.

Also generates the client's stubs from proto/ with grpcio-tools, as a user would. FOREBAY_BIN names the binary.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

ROOT = Path(__file__).resolve().parents[3]
START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 60
# The administrator's access key of every broker here.
KEY_ID = "AKIATESTTESTTESTTEST"
SECRET = "0123456789abcdefghijklmnopqrstuvwxyzABCD"
# What every call carries.
KEY = ("authorization", f"Bearer {KEY_ID}:{SECRET}")


def generate_stubs():
    """Compiles proto/ into a temporary folder and makes it importable as `forebay.…`."""
    import grpc_tools
    from grpc_tools import protoc

    out = tempfile.mkdtemp(prefix="forebay-stubs-")
    protos = [str(path.relative_to(ROOT / "proto")) for path in sorted((ROOT / "proto").rglob("*.proto"))]
    well_known = Path(grpc_tools.__file__).parent / "_proto"
    arguments = ["protoc", f"-I{ROOT / 'proto'}", f"-I{well_known}", f"--python_out={out}", f"--grpc_python_out={out}"]
    if protoc.main(arguments + protos) != 0:
        raise RuntimeError("protoc refused the protos")
    sys.path.insert(0, out)


generate_stubs()
from forebay.queue.v1 import queue_service_pb2_grpc  # noqa: E402


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class _Details(grpc.aio.ClientCallDetails, grpc.ClientCallDetails):
    """Those of a call, with the access key."""

    def __new__(cls, details):
        metadata = grpc.aio.Metadata(*(details.metadata or ()), KEY)
        made = super().__new__(
            cls, details.method, details.timeout, metadata, details.credentials, details.wait_for_ready
        )
        made.compression = getattr(details, "compression", None)
        return made


class _WithKey(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    """Puts the access key on every call."""

    def intercept_unary_unary(self, continuation, details, request):
        return continuation(_Details(details), request)

    intercept_unary_stream = intercept_stream_unary = intercept_stream_stream = intercept_unary_unary


class _UnaryWithKey(grpc.aio.UnaryUnaryClientInterceptor):
    async def intercept_unary_unary(self, continuation, details, request):
        return await continuation(_Details(details), request)


def aio_channel(address):
    """A connection of asyncio whose unary calls carry the access key; a stream is given [KEY] as its metadata."""
    # Without a subchannel pool of its own a new channel would take over the back-off of one to the killed process.
    options = [("grpc.use_local_subchannel_pool", 1)]
    return grpc.aio.insecure_channel(address, options=options, interceptors=[_UnaryWithKey()])


class Broker:
    """One broker: the process may come and go, the port and the data stay."""

    def __init__(self, folder, **settings):
        self.folder = Path(folder)
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.log = self.folder / "broker.log"
        self.data = self.folder / "data"
        self.folder.mkdir(parents=True, exist_ok=True)
        key_file = self.folder / "key"
        key_file.write_text(f"{KEY_ID}:{SECRET}\n")
        self.settings = {
            "FOREBAY__SERVER__DATA_DIR": str(self.data),
            "FOREBAY__LISTEN__API__ADDRESS": self.address,
            "FOREBAY__AUTH__BOOTSTRAP_KEY_FILE": str(key_file),
            # More than the machine has cores, so that effects between partitions are seen too.
            "FOREBAY__SERVER__PARTITIONS": "4",
            "FOREBAY__STORAGE__SEGMENT_SIZE": "8MiB",
            **settings,
        }
        self.process = None
        self.channels = []

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.close_channels()
        if self.process is not None and self.process.poll() is None:
            self.kill()

    def spawn(self):
        """Starts the process and does not wait for it."""
        environment = {"PATH": os.environ["PATH"], "RUST_BACKTRACE": "1", **self.settings}
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [os.environ["FOREBAY_BIN"], "serve"],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def start(self):
        """Starts the process and returns when its health service says SERVING."""
        self.spawn()
        deadline = time.monotonic() + START_SECONDS_MAX
        while not self.is_serving():
            if self.process.poll() is not None:
                raise RuntimeError(f"the broker ended with {self.process.returncode}:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"the broker does not serve after {START_SECONDS_MAX} s:\n{self.log_tail()}")
            time.sleep(0.02)

    def is_serving(self):
        with grpc.insecure_channel(self.address) as channel:
            try:
                answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=2)
            except grpc.RpcError:
                return False
        return answer.status == health_pb2.HealthCheckResponse.SERVING

    def kill(self):
        """kill -9: no chance to write anything."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(STOP_SECONDS_MAX)

    def terminate(self):
        """SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS_MAX)

    def restart_after_kill(self):
        self.kill()
        self.close_channels()
        self.start()

    def channel(self):
        # Without a subchannel pool of its own a new channel would take over the back-off of one to the killed process.
        channel = grpc.insecure_channel(self.address, options=[("grpc.use_local_subchannel_pool", 1)])
        self.channels.append(channel)
        return grpc.intercept_channel(channel, _WithKey())

    def queues(self):
        return queue_service_pb2_grpc.QueueServiceStub(self.channel())

    def close_channels(self):
        for channel in self.channels:
            channel.close()
        self.channels.clear()

    def log_tail(self, lines=40):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
