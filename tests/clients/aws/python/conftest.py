"""What every test of an SDK gets: one server for the run, clients that sign, names nobody used before."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import server as servers  # noqa: E402

AWS_CLI = Path(sys.executable).with_name("aws")
_numbers = itertools.count(1)
# A refusal is the answer, not a reason to try again; and no profile of the machine's user may play a part.
os.environ.update(AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull, AWS_EC2_METADATA_DISABLED="true")


def client_of(server, key=servers.OWNER, service="sqs", region=servers.REGION, **more):
    config = Config(retries={"max_attempts": 0}, **more.pop("config", {}))
    return boto3.client(
        service,
        endpoint_url=server.url,
        region_name=region,
        aws_access_key_id=key.id,
        aws_secret_access_key=key.secret,
        config=config,
        **more,
    )


@pytest.fixture(scope="session")
def server():
    with servers.running() as running:
        yield running


@pytest.fixture(scope="session")
def sqs(server):
    return client_of(server)


@pytest.fixture
def name():
    return f"queue-{next(_numbers)}"


@pytest.fixture
def url(sqs, name):
    return sqs.create_queue(QueueName=name)["QueueUrl"]


@pytest.fixture
def aws(server, tmp_path):
    """aws-cli. `--endpoint-url` must be said: for SQS it takes no notice of AWS_ENDPOINT_URL in a region of AWS, where it
    has an old host name of its own in mind."""

    def run(*arguments, key=servers.OWNER, code=0):
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **server.client_environment(key)}
        command = [AWS_CLI, "--endpoint-url", server.url, *arguments]
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        assert ran.returncode == code, ran.stderr
        return json.loads(ran.stdout or "{}") if code == 0 else ran.stderr

    return run
