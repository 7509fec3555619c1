"""Who is not who they say, or may not what they ask, is refused with the code that AWS gives."""

import dataclasses
import json
import urllib.error
import urllib.parse
import urllib.request

import boto3
import pytest
from botocore import UNSIGNED
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from conftest import client_of
from signer import post, signed

import server as servers

SEND = "AmazonSQS.SendMessage"


def refused(call, **arguments):
    """The code and the status of the refusal."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_a_wrong_secret(server):
    liar = dataclasses.replace(servers.OWNER, secret=servers.OWNER.secret[:-1] + "x")
    assert refused(client_of(server, liar).list_queues) == ("SignatureDoesNotMatch", 403)


def test_a_key_that_does_not_exist(server):
    nobody = dataclasses.replace(servers.OWNER, id="AKIAFOREBAYNOBODY001")
    assert refused(client_of(server, nobody).list_queues) == ("InvalidClientTokenId", 403)


def test_no_signature(server):
    config = Config(signature_version=UNSIGNED, retries={"max_attempts": 0})
    client = boto3.client("sqs", endpoint_url=server.url, region_name=servers.REGION, config=config)
    assert refused(client.list_queues) == ("MissingAuthenticationToken", 403)


@pytest.mark.parametrize(("age", "words"), [(901, "Signature expired: "), (-960, "Signature not yet current: ")])
def test_a_signature_of_another_time(server, age, words):
    body = b"{}"
    headers = signed(server, servers.OWNER, body, "AmazonSQS.ListQueues", age_seconds=age)
    status, answer, text = post(server, headers, body)
    assert status == 403 and words in json.loads(text)["message"], text
    assert answer["x-amzn-query-error"].startswith("SignatureDoesNotMatch;")
    fresh = signed(server, servers.OWNER, body, "AmazonSQS.ListQueues", age_seconds=age - (1 if age < 0 else 10) * 60)
    if age > 0:
        assert post(server, fresh, body)[0] == 200


def test_a_replayed_signature_with_another_body(server, sqs, url):
    body = json.dumps({"QueueUrl": url, "MessageBody": "pay 1"}).encode()
    headers = signed(server, servers.OWNER, body, SEND)
    assert post(server, headers, body)[0] == 200
    forged = body.replace(b"pay 1", b"pay 9")
    status, answer, _ = post(server, headers, forged)
    assert (status, answer["x-amzn-query-error"]) == (403, "SignatureDoesNotMatch;Sender")
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert [message["Body"] for message in messages] == ["pay 1"]


def test_a_signature_for_another_operation(server):
    headers = signed(server, servers.OWNER, b"{}", "AmazonSQS.ListQueues")
    headers["x-amz-target"] = "AmazonSQS.DeleteQueue"
    assert post(server, headers, b"{}")[0] == 403


def test_a_session_token_is_signed_and_passed_through(server):
    client_of(server, aws_session_token="a/token+of=a-session").list_queues()


def test_a_link_of_boto3_is_followed_and_no_other(server, sqs, url):
    link = presigned(url, "SendMessage", MessageBody="by link & more")
    with urllib.request.urlopen(link, timeout=10) as answer:
        assert answer.status == 200 and b"<MessageId>" in answer.read()
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(link.replace("by%20link", "no%20link"), timeout=10)
    assert caught.value.code == 403 and b"<Code>SignatureDoesNotMatch</Code>" in caught.value.read()
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert [message["Body"] for message in messages] == ["by link & more"]


def presigned(url, action, **parameters):
    query = urllib.parse.urlencode({"Action": action, "Version": "2012-11-05", **parameters}, quote_via=urllib.parse.quote)
    request = AWSRequest("GET", f"{url}?{query}")
    credentials = Credentials(servers.OWNER.id, servers.OWNER.secret)
    SigV4QueryAuth(credentials, "sqs", servers.REGION, expires=60).add_auth(request)
    return request.url


def test_the_query_form_refuses_in_xml(server):
    body = b"Action=ListQueues&Version=2012-11-05"
    headers = signed(server, servers.OWNER, body, secret="another")
    headers["content-type"] = "application/x-www-form-urlencoded"
    status, answer, text = post(server, headers, body)
    assert status == 403 and answer["content-type"].startswith("text/xml")
    assert b"<Code>SignatureDoesNotMatch</Code>" in text and b"<Type>Sender</Type>" in text


def test_a_principal_whose_policy_does_not_allow_it(server, url):
    reader = client_of(server, servers.READER)
    assert reader.receive_message(QueueUrl=url).get("Messages", []) == []
    assert refused(reader.send_message, QueueUrl=url, MessageBody="-") == ("AccessDenied", 403)
    assert refused(reader.delete_queue, QueueUrl=url) == ("AccessDenied", 403)


def test_another_account_until_the_owner_lets_it(server, sqs, url):
    stranger = client_of(server, servers.STRANGER)
    assert refused(stranger.send_message, QueueUrl=url, MessageBody="-") == ("AccessDenied", 403)
    sqs.add_permission(
        QueueUrl=url, Label="partner", AWSAccountIds=[servers.STRANGER.account], Actions=["SendMessage"]
    )
    stranger.send_message(QueueUrl=url, MessageBody="from a partner")
    assert refused(stranger.receive_message, QueueUrl=url) == ("AccessDenied", 403)
    [message] = sqs.receive_message(QueueUrl=url, AttributeNames=["SenderId"])["Messages"]
    assert message["Body"] == "from a partner"
    sqs.remove_permission(QueueUrl=url, Label="partner")
    assert refused(stranger.send_message, QueueUrl=url, MessageBody="-") == ("AccessDenied", 403)


def test_a_call_without_tls_when_the_queue_wants_it(sqs, url):
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": only_over_tls("*")})
    assert refused(sqs.send_message, QueueUrl=url, MessageBody="-") == ("AccessDenied", 403)


def only_over_tls(resource):
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sqs:SendMessage",
        "Resource": resource,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
