"""boto3 over TLS: an authority of one's own, and what it refuses."""

import botocore.exceptions
import pytest
import trustme
from conftest import client_of
from test_refusals import only_over_tls

import server as servers


@pytest.fixture
def certificates(tmp_path):
    """An authority and the files of a server that it signed."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    paths = {"ca": tmp_path / "ca.pem", "cert": tmp_path / "cert.pem", "key": tmp_path / "key.pem"}
    authority.cert_pem.write_to_path(paths["ca"])
    issued.private_key_pem.write_to_path(paths["key"])
    for blob in issued.cert_chain_pems:
        blob.write_to_path(paths["cert"], append=True)
    client = authority.issue_cert("client@example.com")
    client.private_key_and_cert_chain_pem.write_to_path(tmp_path / "client.pem")
    return {**{name: str(path) for name, path in paths.items()}, "client": str(tmp_path / "client.pem")}


def settings(certificates):
    return {
        "FOREBAY__LISTEN__API__TLS__CERT_FILE": certificates["cert"],
        "FOREBAY__LISTEN__API__TLS__KEY_FILE": certificates["key"],
    }


def test_the_authority_decides_and_policies_see_that_it_is_tls(certificates):
    with servers.running(scheme="https", **settings(certificates)) as server:
        sqs = client_of(server, verify=certificates["ca"])
        url = sqs.create_queue(QueueName="private")["QueueUrl"]
        assert url.startswith("https://127.0.0.1:")
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": only_over_tls("*")})
        sqs.send_message(QueueUrl=url, MessageBody="hidden")
        assert [m["Body"] for m in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"]] == ["hidden"]
        with pytest.raises(botocore.exceptions.SSLError):
            client_of(server).list_queues()


def test_a_client_without_a_certificate_is_refused_when_one_is_asked(certificates):
    mutual = {**settings(certificates), "FOREBAY__LISTEN__API__TLS__CLIENT_CA_FILE": certificates["ca"]}
    with servers.running(scheme="https", **mutual) as server:
        client_of(server, verify=certificates["ca"], config={"client_cert": certificates["client"]}).list_queues()
        with pytest.raises(
            (botocore.exceptions.SSLError, botocore.exceptions.ConnectionClosedError, botocore.exceptions.HTTPClientError)
        ):
            client_of(server, verify=certificates["ca"]).list_queues()
