"""Policies of queues and of keys, as an SDK meets them."""

import json

import pytest
from botocore.exceptions import ClientError
from conftest import client_of

import server as servers


def refusal(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return caught.value.response["Error"]


def denied(call, **arguments):
    """Why."""
    error = refusal(call, **arguments)
    assert error["Code"] == "AccessDenied", error
    return error["Message"]


def policy(principal, actions, effect="Allow", **more):
    statement = {"Sid": "s", "Effect": effect, "Principal": principal, "Action": actions, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def let(sqs, url):
    """Sets the queue's policy."""

    def set_policy(text):
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": text})

    return set_policy


def test_another_account_needs_both_sides(server, url, let):
    clerk, stranger = client_of(server, servers.CLERK), client_of(server, servers.STRANGER)
    why = denied(clerk.send_message, QueueUrl=url, MessageBody="-")
    assert why.endswith("because no resource-based policy allows the sqs:SendMessage action"), why
    let(policy({"AWS": servers.STRANGER.account}, ["sqs:SendMessage", "sqs:ReceiveMessage"]))
    clerk.send_message(QueueUrl=url, MessageBody="from the clerk")
    why = denied(clerk.receive_message, QueueUrl=url)
    assert why.endswith("because no identity-based policy allows the sqs:ReceiveMessage action"), why
    [message] = stranger.receive_message(QueueUrl=url)["Messages"]
    assert message["Body"] == "from the clerk"
    assert "DeleteMessage" in denied(stranger.delete_message, QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def test_an_explicit_denial_wins(server, url, let):
    reader = client_of(server, servers.READER)
    reader.receive_message(QueueUrl=url)
    arn = f"arn:aws:iam::{servers.READER.account}:user/{servers.READER.user}"
    let(policy({"AWS": arn}, "sqs:ReceiveMessage", "Deny"))
    why = denied(reader.receive_message, QueueUrl=url)
    assert why.startswith(f"User: {arn} is not authorized to perform: sqs:ReceiveMessage on resource: arn:aws:sqs:")
    assert why.endswith("with an explicit deny in a resource-based policy")
    reader.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])


def test_a_batch_is_its_single_action(server, url, let):
    stranger = client_of(server, servers.STRANGER)
    let(policy("*", "sqs:SendMessage"))
    entries = [{"Id": "a", "MessageBody": "1"}, {"Id": "b", "MessageBody": "2"}]
    assert len(stranger.send_message_batch(QueueUrl=url, Entries=entries)["Successful"]) == 2
    handles = [{"Id": "a", "ReceiptHandle": "x"}]
    assert "sqs:DeleteMessage " in denied(stranger.delete_message_batch, QueueUrl=url, Entries=handles)


@pytest.mark.parametrize(("near", "may"), [("127.0.0.0/8", True), ("10.0.0.0/8", False)])
def test_where_a_call_comes_from(server, url, let, near, may):
    condition = {"IpAddress": {"aws:SourceIp": near}}
    let(policy({"AWS": servers.STRANGER.account}, "sqs:SendMessage", Condition=condition))
    stranger = client_of(server, servers.STRANGER)
    if may:
        stranger.send_message(QueueUrl=url, MessageBody="-")
    else:
        denied(stranger.send_message, QueueUrl=url, MessageBody="-")


def test_what_belongs_to_the_owner_is_not_given_away(server, url, let):
    let(policy("*", "sqs:*"))
    stranger = client_of(server, servers.STRANGER)
    stranger.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    denied(stranger.delete_queue, QueueUrl=url)
    denied(stranger.set_queue_attributes, QueueUrl=url, Attributes={"DelaySeconds": "1"})
    denied(stranger.tag_queue, QueueUrl=url, Tags={"a": "b"})
    denied(stranger.list_queue_tags, QueueUrl=url)
    denied(stranger.add_permission, QueueUrl=url, Label="l", AWSAccountIds=["111122223333"], Actions=["*"])


def test_a_queue_that_is_closed_looks_like_none(server, url, name):
    stranger = client_of(server, servers.STRANGER)
    closed = denied(stranger.send_message, QueueUrl=url, MessageBody="-")
    missing = denied(stranger.send_message, QueueUrl=url.replace(name, "nowhere"), MessageBody="-")
    assert closed.replace(name, "nowhere") == missing


def test_a_policy_comes_back_to_the_byte(sqs, url, let):
    text = ' { "Statement":[ {"Effect":"Allow",\t"Principal":{"AWS":"111122223333"},"Action":["SQS:SendMessage"]}]}\n'
    let(text)
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]
    assert attributes["Policy"] == text
    let("")
    assert "Attributes" not in sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])


@pytest.mark.parametrize(
    "text",
    ["no json", "{}", '{"Statement":[]}', policy("*", "sqs:Fly"), policy("*", "s3:*"), policy({"AWS": "me"}, "sqs:*")],
)
def test_what_is_no_policy_is_refused(sqs, url, text):
    error = refusal(sqs.set_queue_attributes, QueueUrl=url, Attributes={"Policy": text})
    assert error["Code"] == "InvalidAttributeValue"
    assert error["Message"] == "Invalid value for the parameter Policy."


def test_a_policy_that_is_too_large_is_refused(sqs, url):
    eight = policy("*", ["sqs:SendMessage"] * 8)
    error = refusal(sqs.set_queue_attributes, QueueUrl=url, Attributes={"Policy": eight})
    assert error["Code"] == "OverLimit"
    assert error["Message"] == "8 actions were found in a statement from the submitted policy, max allowed is 7"
