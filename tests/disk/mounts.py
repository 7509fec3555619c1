"""Small real file systems: a tmpfs, and an ext4 in a file behind a loop device. Making one needs root and a kernel that
allows it; where it is not allowed that is found out by trying."""

import contextlib
import os
import shutil
import subprocess
import threading
from pathlib import Path

MIB = 1 << 20


class NotHere(Exception):
    """This machine does not let us mount such a file system."""


def command(*words):
    ran = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if ran.returncode != 0:
        raise NotHere(f"`{' '.join(map(str, words))}` failed: {ran.stderr.strip()}")


class Mounted:
    """A file system of this kind and size, mounted at `folder`/mnt."""

    def __init__(self, kind, folder, mib):
        self.kind = kind
        self.path = Path(folder) / "mnt"
        self.filler = self.path / "foreign"
        self.image = Path(folder) / "image"
        self.mib = mib

    def __enter__(self):
        self.path.mkdir(parents=True)
        if self.kind == "tmpfs":
            command("mount", "-t", "tmpfs", "-o", f"size={self.mib}m", "tmpfs", self.path)
            return self
        if shutil.which("mkfs.ext4") is None:
            raise NotHere("there is no mkfs.ext4")
        with open(self.image, "wb") as image:
            image.truncate(self.mib * MIB)
        command("mkfs.ext4", "-q", "-m", "0", self.image)
        command("mount", "-o", "loop", self.image, self.path)
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", str(self.path)], check=True)

    def free(self):
        space = os.statvfs(self.path)
        return space.f_bavail * space.f_frsize

    def fill(self, leave=0):
        """Lets a foreign file grow until this many bytes are free."""
        with open(self.filler, "ab", buffering=0) as filler:
            while (missing := self.free() - leave) > 0:
                try:
                    filler.write(b"f" * min(missing, MIB))
                except OSError:
                    # Less than a block is left, or somebody else was faster.
                    break

    @contextlib.contextmanager
    def kept_full(self, leave):
        """The foreign file takes again and again what is free beyond this many bytes."""
        done = threading.Event()

        def keep():
            while not done.is_set():
                self.fill(leave)
                done.wait(0.02)

        keeper = threading.Thread(target=keep)
        keeper.start()
        try:
            yield
        finally:
            done.set()
            keeper.join()

    def unfill(self):
        self.filler.unlink(missing_ok=True)
