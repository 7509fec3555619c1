"""Fills the disk under the real broker, on a real tmpfs and a real ext4, and compares what it holds with what its
clients were told.

    tests/disk/run.py [--mib 192] [--seed N]

Growth must be refused with an error that says to come again, receives and deletes must go on, nothing acknowledged may
be lost, also by kill -9 and a start on the full disk, and growth must be accepted again by itself. The broker has its
default settings but for the address. FOREBAY_BIN names the binary. The last line is `N passed, N failed`. A file system
that cannot be mounted here is said loudly, and fails the run only when there is no other.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "clients/aws"))
import server as servers  # noqa: E402
from load import Load, Violation, eventually  # noqa: E402
from mounts import MIB, Mounted, NotHere  # noqa: E402

SQUEEZE_SECONDS = 15
QUEUES_MAX = 3000


class Trial:
    """One broker on one small disk."""

    def __init__(self, disk, folder, seed, report):
        self.disk = disk
        self.dice = random.Random(seed)
        self.report = report
        self.server = servers.Server(
            folder,
            FOREBAY__SERVER__DATA_DIR=str(disk.path / "data"),
            # Those of a broker that was only told where to store.
            FOREBAY__STORAGE__SEGMENT_SIZE="64MiB",
            FOREBAY__STORAGE__MIN_FREE="5%",
            # Where the queues of both protocols are.
            FOREBAY__SERVER__REGION=servers.REGION,
            FOREBAY__SERVER__ACCOUNT_ID=servers.OWNER.account,
        )
        self.load = Load(self.server, self.dice)

    def forebay(self, *words):
        """Runs the command line client, which speaks gRPC."""
        owner = servers.OWNER
        environment = {
            "PATH": os.environ["PATH"],
            "FOREBAY_SERVER": self.server.url,
            "FOREBAY_ACCESS_KEY_ID": owner.id,
            "FOREBAY_SECRET_ACCESS_KEY": owner.secret,
            "AWS_ACCESS_KEY_ID": owner.id,
            "AWS_SECRET_ACCESS_KEY": owner.secret,
        }
        return subprocess.run([servers.binary(), *words], env=environment, capture_output=True, text=True, timeout=60)

    def alarms(self):
        ran = self.forebay("server", "status", "-o", "json")
        if ran.returncode != 0:
            raise Violation(f"server status failed: {ran.stderr}")
        return ran.stdout

    def expect_full(self, when):
        """Both protocols refuse, each with its error, and the status says why."""
        eventually(f"the status says DISK_LOW ({when})", lambda: "DISK_LOW" in self.alarms())
        self.load.expect_refused()
        ran = self.forebay("queue", "send", "load", "one more")
        if ran.returncode == 0 or "STORAGE_FULL" not in ran.stderr:
            raise Violation(f"{when}: a send over gRPC ended with {ran.returncode}: {ran.stdout}{ran.stderr}")

    def expect_room(self, when):
        eventually(f"sends are accepted again ({when})", self.load.is_accepted)
        eventually(f"the status is clear again ({when})", lambda: "DISK_LOW" not in self.alarms())

    def run(self):
        with self.server:
            self.load.create_queues()
            for step in (
                self.fill_by_sending,
                self.work_while_full,
                self.killed_while_full,
                self.nothing_free_at_all,
                self.foreign_files_go,
                self.room_by_deleting,
                self.old_messages_do_not_hold_the_disk,
                self.many_queues,
                self.squeezed_at_any_moment,
                self.everything_is_there,
            ):
                started = time.monotonic()
                said = step()
                if self.server.process.poll() is not None:
                    raise Violation(f"the broker ended with {self.server.process.returncode}")
                if "panicked at" in self.server.log.read_text(errors="replace"):
                    raise Violation("the broker panicked")
                took = time.monotonic() - started
                self.report(f"{self.disk.kind}: {step.__name__.replace('_', ' ')}: {said} ({took:.1f} s)")

    def fill_by_sending(self):
        self.load.send_old()
        sent = self.load.send_until_refused()
        self.expect_full("after sending")
        return f"refused after {sent} messages, {self.disk.free() // MIB} MiB free"

    def work_while_full(self):
        self.load.take(50)
        return "50 received and deleted"

    def restart_after_kill(self):
        self.server.restart_after_kill()
        self.load.wait_until_read()

    def killed_while_full(self):
        self.restart_after_kill()
        self.load.check_counts()
        self.expect_full("after kill -9 and a start")
        self.load.take(20)
        return f"{self.load.held()} held"

    def nothing_free_at_all(self):
        self.disk.fill()
        self.expect_full("with nothing free")
        self.load.take(50)
        self.restart_after_kill()
        self.load.check_counts()
        self.load.take(50)
        return f"{self.disk.free()} bytes free, {self.load.held()} held"

    def foreign_files_go(self):
        """What the broker itself took is not given back yet, so a foreign file has to have filled the disk."""
        self.disk.unfill()
        # Enough goes for the log to be far below the limit: then the foreign file alone fills the disk.
        self.load.take_all_but(20)
        self.expect_room("after deleting nearly everything")
        self.disk.fill(leave=MIB)
        self.expect_full("by a foreign file")
        self.disk.unfill()
        self.expect_room("without the foreign file")
        return f"{self.disk.free() // MIB} MiB free"

    def room_by_deleting(self):
        self.load.send_until_refused()
        self.expect_full("a second time")
        held = self.load.held()
        self.load.take_all_but(held // 3)
        self.expect_room("after deleting two thirds")
        return f"{held} held, then {self.load.held()}, {self.disk.free() // MIB} MiB free"

    def old_messages_do_not_hold_the_disk(self):
        """Messages of the beginning are still there; two disks full of others come and go past them."""
        written = self.load.pass_through(2 * self.disk.mib * MIB)
        self.load.check_old()
        return f"{written // MIB} MiB went through"

    def many_queues(self):
        """The catalog grows until it is refused, with a snapshot of it in each checkpoint."""
        # The log may still give room back that was taken before.
        with self.disk.kept_full(leave=int(0.07 * self.disk.mib * MIB)):
            made = self.load.create_until_refused(QUEUES_MAX)
        if made == QUEUES_MAX:
            raise Violation(f"{made} queues were created on a disk with {self.disk.free() // MIB} MiB free")
        self.expect_full("by queues")
        self.restart_after_kill()
        self.load.check_queues()
        self.disk.unfill()
        self.load.delete_queues()
        self.expect_room("after deleting queues")
        return f"refused after {made} queues"

    def squeezed_at_any_moment(self):
        """A foreign file takes what is free and gives it back, at random moments, under load."""
        stop = threading.Event()
        workers = self.load.start(stop)
        squeezes = 0
        deadline = time.monotonic() + SQUEEZE_SECONDS
        while time.monotonic() < deadline:
            self.disk.fill(leave=self.dice.choice([0, 0, 4096, 256 << 10]))
            time.sleep(self.dice.uniform(0.05, 1.2))
            self.disk.unfill()
            time.sleep(self.dice.uniform(0.05, 0.8))
            squeezes += 1
        self.disk.fill()
        self.server.kill()
        stop.set()
        self.load.join(workers)
        self.restart_after_kill()
        self.disk.unfill()
        self.expect_room("after the squeezes")
        return f"{squeezes} times"

    def everything_is_there(self):
        came = self.load.drain()
        self.load.check_old()
        return f"{came} came at the end, {len(self.load.sent)} were acknowledged"


def trial(kind, arguments, report):
    with tempfile.TemporaryDirectory(prefix="forebay-disk-") as folder, Mounted(kind, folder, arguments.mib) as disk:
        run = Trial(disk, Path(folder) / "server", arguments.seed, report)
        try:
            run.run()
        except Exception:
            print(run.server.log_tail(60), flush=True)
            raise


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=192)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "little"))
    parser.add_argument("--only", choices=["tmpfs", "ext4"])
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    passed, failed, left_out = [], 0, []

    def report(line):
        passed.append(line)
        print(line, flush=True)

    kinds = [arguments.only] if arguments.only else ["tmpfs", "ext4"]
    # Both at once: each mostly waits for its disk.
    with ThreadPoolExecutor(len(kinds)) as pool:
        trials = {kind: pool.submit(trial, kind, arguments, report) for kind in kinds}
    for kind, ended in trials.items():
        error = ended.exception()
        if isinstance(error, NotHere):
            left_out.append(kind)
            print(f"!!!! {kind} DID NOT RUN: {error}", flush=True)
        elif error is not None:
            failed += 1
            traceback.print_exception(error)
    for kind in left_out:
        print(f"!!!! NOTHING WAS PROVED ON {kind}: this machine does not let us mount one", flush=True)
    if len(left_out) == len(kinds):
        failed += 1
    print(f"{len(passed)} passed, {failed} failed")
    return failed


if __name__ == "__main__":
    sys.exit(main())
