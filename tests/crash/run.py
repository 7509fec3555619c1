"""Kills the real broker with SIGKILL at random moments under its workloads, starts it again, and compares what it
holds with what its clients were told.

    tests/crash/run.py [--kills 20] [--seed N] [--keep]

FOREBAY_BIN names the binary. The last line is `N passed, N failed`: one check for each restart, one for the rest that
is drained at the end, one for each queue with dead letters, one for the clean stop. With --keep, or after a failure,
the data folder stays for a look.
"""

import argparse
import asyncio
import os
import random
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "clients/python"))
os.environ.setdefault("FOREBAY_BIN", str(Path(__file__).resolve().parents[2] / "target/debug/forebay"))

from broker import Broker, aio_channel  # noqa: E402

import grpc  # noqa: E402
from letters import DeadLetters  # noqa: E402
from loads import CALL_SECONDS_MAX, Fifo, Produced, Standard, Violation, ask, judged  # noqa: E402

from forebay.common.v1 import common_pb2  # noqa: E402
from forebay.queue.v1 import queue_service_pb2 as calls, queue_service_pb2_grpc  # noqa: E402

ERA_SECONDS = (0.05, 2.0)
DRAIN_SECONDS_MAX = 120
# What was on its way between queues when the broker was killed must have arrived by then.
ARRIVAL_SECONDS_MAX = 30
SETTINGS = {
    # Small, so that segments rotate and checkpoints are written between any two kills.
    "FOREBAY__STORAGE__SEGMENT_SIZE": "4MiB",
    "FOREBAY__STORAGE__INDEX__CHECKPOINT_INTERVAL": "300ms",
}


class Crash:
    """One run: the broker, the workloads, and what they know."""

    def __init__(self, broker, dice):
        self.broker = broker
        self.dice = dice
        self.letters = [DeadLetters(dice), DeadLetters(dice, fifo=True)]
        self.loads = [Standard(dice), Fifo(dice), Produced(dice), *self.letters]

    def stub(self):
        self.channel = aio_channel(self.broker.address)
        return queue_service_pb2_grpc.QueueServiceStub(self.channel)

    async def create_queues(self):
        stub = self.stub()
        for load in self.loads:
            if load in self.letters:
                continue
            await self.create(stub, load.queue, load.settings())
        for load in self.letters:
            created = await self.create(stub, load.dead, load.settings_of(load.dead))
            load.named(created.queue.name)
            await self.create(stub, load.work, load.settings_of(load.work))
        await self.channel.close()

    @staticmethod
    async def create(stub, queue, settings):
        request = calls.CreateQueueRequest(queue_id=queue, queue=settings)
        return await ask(stub.CreateQueue(request, timeout=CALL_SECONDS_MAX))

    async def era(self):
        """Runs the workloads for a random while, kills the broker under them; returns how long it lived."""
        stub = self.stub()
        lifetime = self.dice.uniform(*ERA_SECONDS)
        workers = [asyncio.create_task(worker) for load in self.loads for worker in load.workers(stub)]
        early, _ = await asyncio.wait(workers, timeout=lifetime, return_when=asyncio.FIRST_COMPLETED)
        self.broker.kill()
        # Nobody is there to answer any more. Now and then grpcio leaves a write to a broken call waiting for ever.
        _, stuck = await asyncio.wait(workers, timeout=5)
        for worker in stuck:
            worker.cancel()
        results = await asyncio.gather(*workers, return_exceptions=True)
        await self.channel.close()
        for result in results:
            if isinstance(result, Exception):
                raise result
        for worker in early:
            raise Violation(f"a call broke before the broker was killed: {worker.result()}")
        return lifetime

    def start(self):
        """Starts the broker. One time in four it is killed while it recovers, and started again; one time in six its
        index is gone, which must cost nothing but time."""
        also = ""
        if self.dice.random() < 1 / 6:
            shutil.rmtree(self.broker.data / "index")
            also = ", index deleted"
        while self.dice.random() < 1 / 4:
            self.broker.spawn()
            time.sleep(self.dice.uniform(0, 0.3))
            self.broker.kill()
            also += ", killed again in recovery"
        started = time.monotonic()
        self.broker.start()
        return time.monotonic() - started, also

    async def check(self):
        """Nobody else talks to the broker now: everything it holds is compared with the ledgers."""
        stub = self.stub()
        held = []
        for load in self.loads:
            await self.wait_until_read(stub, load)
            held.append(await (self.check_letters if load in self.letters else self.check_queue)(stub, load))
        await self.channel.close()
        if "panicked at" in self.broker.log.read_text(errors="replace"):
            raise Violation("the broker panicked")
        return held

    async def wait_until_read(self, stub, load):
        """Without its index the broker serves before it has read what its queues hold."""
        deadline = time.monotonic() + CALL_SECONDS_MAX
        queues = list(load.queues if load in self.letters else [load.queue])
        while queues:
            try:
                await stub.Peek(calls.PeekRequest(queue=queues[-1], page_size=1, page_token=""), timeout=CALL_SECONDS_MAX)
                queues.pop()
            except grpc.aio.AioRpcError as error:
                if "read from the log again" not in error.details():
                    raise judged(error) from error
                if time.monotonic() > deadline:
                    raise Violation("the broker does not come to an end with reading its messages") from error
                await asyncio.sleep(0.05)

    async def check_queue(self, stub, load):
        entries = await self.everything_in(stub, load.queue)
        load.ledger.check_present(entries)
        return len(entries)

    async def check_letters(self, stub, load):
        """What is on its way between two queues is in neither: only what stays wrong is wrong."""
        await load.rest(stub)
        deadline = time.monotonic() + ARRIVAL_SECONDS_MAX
        while True:
            try:
                entries = [entry for queue in load.queues for entry in await self.everything_in(stub, queue)]
                load.ledger.check_present(entries)
                return len(entries)
            except Violation:
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(0.05)

    async def everything_in(self, stub, queue):
        entries, token = [], ""
        while True:
            request = calls.PeekRequest(queue=queue, page_size=500, page_token=token)
            page = await ask(stub.Peek(request, timeout=CALL_SECONDS_MAX))
            entries += page.messages
            token = page.next_page_token
            if not token:
                break
        view = calls.GetQueueRequest(name=queue, view=common_pb2.RESOURCE_VIEW_FULL)
        stats = (await ask(stub.GetQueue(view, timeout=CALL_SECONDS_MAX))).queue.stats
        counted = stats.visible_messages + stats.in_flight_messages + stats.delayed_messages
        if counted != len(entries):
            raise Violation(f"{queue}: the queue counts {counted} messages and shows {len(entries)}")
        return entries

    async def drain(self):
        """No sends any more: every message of every FIFO group must come, in order, exactly once."""
        fifo = next(load for load in self.loads if isinstance(load, Fifo))
        stub = self.stub()
        deadline = time.monotonic() + DRAIN_SECONDS_MAX
        for group in list(fifo.unanswered_sends):
            while group in fifo.unanswered_sends:
                await fifo.send(stub, group)
        while fifo.ledger.sent - fifo.ledger.deleted or fifo.unanswered_settles:
            for consumer in fifo.consumer_names():
                await fifo.consume(stub, consumer)
            if time.monotonic() > deadline:
                left = fifo.ledger.sent - fifo.ledger.deleted
                raise Violation(f"{len(left)} messages of {fifo.queue} never come, such as {sorted(left)[:5]}")
        await self.channel.close()

    async def see_letters(self, load):
        """Whatever the kills left time for, a dead letter was received and a redrive run by the end."""
        stub = self.stub()
        deadline = time.monotonic() + DRAIN_SECONDS_MAX
        while not load.ledger.dead_received or not load.redrives:
            if time.monotonic() > deadline:
                raise Violation(f"{load.work}: no dead letter was received, or none was redriven")
            await load.send(stub)
            await load.consume(stub, load.work)
            await load.consume(stub, load.dead)
            await load.redrive(stub)
            await load.rest(stub)
        await self.channel.close()


async def run(arguments, folder, report):
    broker = Broker(folder, **SETTINGS)
    crash = Crash(broker, random.Random(arguments.seed))
    with broker:
        await crash.create_queues()
        for kill in range(1, arguments.kills + 1):
            lifetime = await crash.era()
            recovery, also = crash.start()
            held = await crash.check()
            sent = [len(load.ledger.sent) for load in crash.loads]
            deleted = [len(load.ledger.deleted) for load in crash.loads]
            report(
                f"kill {kill}/{arguments.kills} after {lifetime:.2f} s{also}: serving after {recovery:.2f} s; "
                f"sent {sent}, deleted {deleted}, held {held}"
            )
        await crash.drain()
        await crash.check()
        report(f"drained: {len(crash.loads[1].ledger.sent)} messages in their groups' order, once each")
        for load in crash.letters:
            await crash.see_letters(load)
            report(f"{load.work}: {load.ledger.dead_received} dead letters received, {len(load.redrives)} redrives")
        code = broker.terminate()
        if code != 0:
            raise Violation(f"SIGTERM ended the broker with {code}")
        broker.start()
        await crash.check()
        recovered = [line for line in broker.log.read_text().splitlines() if '"message":"recovered"' in line][-1]
        if '"clean":true' not in recovered:
            raise Violation(f"the stop by SIGTERM was not clean: {recovered}")
        report("stopped by SIGTERM and started again: nothing changed, nothing to repair")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "little"))
    parser.add_argument("--keep", action="store_true")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="forebay-crash-"))
    print(f"seed {arguments.seed}, data in {folder}", flush=True)
    passed = 0

    def report(line):
        nonlocal passed
        passed += 1
        print(line, flush=True)

    failed = 0
    try:
        asyncio.run(run(arguments, folder, report))
    except Exception as error:  # noqa: BLE001 (whatever it was, it is the run's result)
        failed = 1
        traceback.print_exception(error)
        print(f"seed {arguments.seed}: {error}; the data is kept in {folder}", flush=True)
    if not failed and not arguments.keep:
        shutil.rmtree(folder)
    print(f"{passed} passed, {failed} failed")
    return failed


if __name__ == "__main__":
    sys.exit(main())
