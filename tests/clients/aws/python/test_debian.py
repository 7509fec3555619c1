"""The SDKs of other languages and of another time, as Debian packages them: one script each, in their own language."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"


def run(server, *command):
    environment = {**os.environ, **server.client_environment()}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def need(package, *probe):
    """tests/system-packages installs what this release of Debian has; a later one may have dropped it."""
    if shutil.which(probe[0]) is None or subprocess.run(probe, capture_output=True).returncode != 0:
        pytest.skip(f"this Debian has no {package}")


def test_boto_2(server):
    need("python3-boto", "/usr/bin/python3", "-c", "import boto.sqs")
    run(server, "/usr/bin/python3", SCRIPTS / "sqs_boto2.py")


def test_the_sdk_for_ruby(server):
    need("ruby-aws-sdk", "ruby", "-e", 'require "aws-sdk"; require "minitest"')
    run(server, "ruby", SCRIPTS / "sqs_ruby.rb")


def test_async_aws_for_php(server):
    need("php-async-aws-sqs", "test", "-e", "/usr/share/php/AsyncAws/Sqs/autoload.php")
    run(server, "php", SCRIPTS / "sqs_php.php")
