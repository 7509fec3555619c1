"""Tables of leases and CloudWatch's PutMetricData under boto3, as clients of streams call them."""

import binascii
import datetime
import decimal
import threading

import boto3
import pytest
from boto3.dynamodb.conditions import Attr, Key
from botocore.config import Config
from botocore.exceptions import ClientError
from conftest import client_of

import server as servers

INDEX = "LeaseOwnerToLeaseKeyIndex"


@pytest.fixture(scope="session")
def tables(server):
    return client_of(server, service="dynamodb")


def create(tables, name, **more):
    """The lease table of the Kinesis Client Library 3."""
    wanted = {
        "AttributeDefinitions": [
            {"AttributeName": "leaseKey", "AttributeType": "S"},
            {"AttributeName": "leaseOwner", "AttributeType": "S"},
        ],
        "KeySchema": [{"AttributeName": "leaseKey", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
        "GlobalSecondaryIndexes": [index()],
        **more,
    }
    return tables.create_table(TableName=name, **{key: value for key, value in wanted.items() if value is not None})


def index():
    return {
        "IndexName": INDEX,
        "KeySchema": [
            {"AttributeName": "leaseOwner", "KeyType": "HASH"},
            {"AttributeName": "leaseKey", "KeyType": "RANGE"},
        ],
        "Projection": {"ProjectionType": "KEYS_ONLY"},
    }


@pytest.fixture
def leases(tables, name):
    create(tables, name)
    return name


def lease(key, counter=0, owner=None, **more):
    item = {
        "leaseKey": {"S": key},
        "leaseCounter": {"N": str(counter)},
        "checkpoint": {"S": "TRIM_HORIZON"},
        "checkpointSubSequenceNumber": {"N": "0"},
        "ownerSwitchesSinceCheckpoint": {"N": "0"},
        **more,
    }
    if owner is not None:
        item["leaseOwner"] = {"S": owner}
    return item


def item_of(tables, table, key):
    return tables.get_item(TableName=table, Key={"leaseKey": {"S": key}}, ConsistentRead=True).get("Item")


def refused(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return caught.value.response


def error_of(call, **arguments):
    error = refused(call, **arguments)["Error"]
    return error["Code"], error["Message"]


def test_a_table_is_made_described_listed_changed_and_deleted(tables, name):
    made = create(tables, name, GlobalSecondaryIndexes=None, AttributeDefinitions=[
        {"AttributeName": "leaseKey", "AttributeType": "S"}])["TableDescription"]
    assert made["TableStatus"] == "ACTIVE"
    assert made["TableArn"] == f"arn:aws:dynamodb:{servers.REGION}:{servers.OWNER.account}:table/{name}"
    assert error_of(create, tables=tables, name=name) == ("ResourceInUseException", f"Table already exists: {name}")
    tables.get_waiter("table_exists").wait(TableName=name)
    tables.put_item(TableName=name, Item=lease("s1", owner="w1"))
    tables.update_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "leaseKey", "AttributeType": "S"},
                              {"AttributeName": "leaseOwner", "AttributeType": "S"}],
        GlobalSecondaryIndexUpdates=[{"Create": index()}],
    )
    table = tables.describe_table(TableName=name)["Table"]
    [found] = table["GlobalSecondaryIndexes"]
    assert (found["IndexStatus"], found["ItemCount"], table["ItemCount"]) == ("ACTIVE", 1, 1)
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert abs(table["CreationDateTime"] - datetime.datetime.now(datetime.timezone.utc)) < datetime.timedelta(minutes=5)
    assert table["TableId"] == made["TableId"]
    assert name in [other for page in tables.get_paginator("list_tables").paginate(PaginationConfig={"PageSize": 2})
                    for other in page["TableNames"]]
    # By its arn too.
    assert tables.describe_table(TableName=table["TableArn"])["Table"]["TableName"] == name
    assert tables.delete_table(TableName=name)["TableDescription"]["TableStatus"] == "DELETING"
    tables.get_waiter("table_not_exists").wait(TableName=name)
    missing = f"Requested resource not found: Table: {name} not found"
    assert error_of(tables.describe_table, TableName=name) == ("ResourceNotFoundException", missing)
    assert error_of(tables.delete_table, TableName=name) == ("ResourceNotFoundException", missing)
    assert error_of(item_of, tables=tables, table=name, key="s1") == (
        "ResourceNotFoundException", "Requested resource not found")


def test_tags_expiry_backups_and_protection(tables, name):
    arn = create(tables, name, DeletionProtectionEnabled=True, Tags=[{"Key": "app", "Value": "kcl"}])
    arn = arn["TableDescription"]["TableArn"]
    tables.tag_resource(ResourceArn=arn, Tags=[{"Key": "team", "Value": "blue"}])
    tables.untag_resource(ResourceArn=arn, TagKeys=["app"])
    assert tables.list_tags_of_resource(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "blue"}]
    tables.update_time_to_live(TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": "lut"})
    described = tables.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    assert described == {"TimeToLiveStatus": "ENABLED", "AttributeName": "lut"}
    backups = tables.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "DISABLED"
    tables.update_continuous_backups(
        TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True})
    backups = tables.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    assert error_of(tables.describe_continuous_backups, TableName="none-at-all") == (
        "TableNotFoundException", "Table not found: none-at-all")
    code, text = error_of(tables.delete_table, TableName=name)
    assert code == "ValidationException" and "protected against deletion" in text
    tables.update_table(TableName=name, DeletionProtectionEnabled=False)
    tables.delete_table(TableName=name)


def test_a_lease_lives_as_the_kinesis_client_library_1_and_2_write_it(tables, leases):
    put = {"TableName": leases, "Item": lease("shardId-0"), "Expected": {"leaseKey": {"Exists": False}}}
    tables.put_item(**put)
    failed = ("ConditionalCheckFailedException", "The conditional request failed")
    assert error_of(tables.put_item, **put) == failed
    key = {"leaseKey": {"S": "shardId-0"}}

    def take(owner, counter):
        return tables.update_item(
            TableName=leases, Key=key,
            Expected={"leaseCounter": {"Value": {"N": str(counter)}}},
            AttributeUpdates={
                "leaseCounter": {"Value": {"N": str(counter + 1)}, "Action": "PUT"},
                "leaseOwner": {"Value": {"S": owner}, "Action": "PUT"},
                "checkpointOwner": {"Action": "DELETE"},
                "ownerSwitchesSinceCheckpoint": {"Value": {"N": "1"}, "Action": "ADD"},
            },
            ReturnValues="ALL_NEW",
        )["Attributes"]

    assert take("w1", 0)["ownerSwitchesSinceCheckpoint"] == {"N": "1"}
    assert error_of(take, owner="w2", counter=0) == failed
    taken = take("w2", 1)
    assert (taken["leaseOwner"], taken["leaseCounter"]) == ({"S": "w2"}, {"N": "2"})
    tables.update_item(
        TableName=leases, Key=key,
        Expected={"leaseCounter": {"Value": {"N": "2"}}, "leaseOwner": {"Value": {"S": "w2"}},
                  "checkpointOwner": {"Exists": False}},
        AttributeUpdates={"leaseOwner": {"Action": "DELETE"}, "leaseCounter": {"Value": {"N": "1"}, "Action": "ADD"},
                          "childShardIds": {"Value": {"SS": ["shardId-1", "shardId-2"]}, "Action": "PUT"}},
    )
    evicted = item_of(tables, leases, "shardId-0")
    assert "leaseOwner" not in evicted and evicted["leaseCounter"] == {"N": "3"}
    assert sorted(evicted["childShardIds"]["SS"]) == ["shardId-1", "shardId-2"]
    tables.delete_item(TableName=leases, Key=key, Expected={"leaseCounter": {"ComparisonOperator": "EQ",
                                                                            "AttributeValueList": [{"N": "3"}]}})
    assert item_of(tables, leases, "shardId-0") is None


def test_leases_are_found_by_owner_and_handed_over_as_a_whole(tables, leases):
    for number in range(6):
        tables.put_item(TableName=leases, Item=lease(f"s{number}", owner=f"w{number % 2}"))
    query = dict(TableName=leases, IndexName=INDEX, KeyConditionExpression="leaseOwner = :leaseOwner")

    def owned(owner):
        pages = tables.get_paginator("query").paginate(
            **query, ExpressionAttributeValues={":leaseOwner": {"S": owner}}, PaginationConfig={"PageSize": 2})
        return [item["leaseKey"]["S"] for page in pages for item in page["Items"]]

    assert owned("w0") == ["s0", "s2", "s4"]

    def hand_over(key, owner):
        update = {
            "TableName": leases, "Key": {"leaseKey": {"S": key}},
            "UpdateExpression": "SET leaseOwner = :new, checkpointOwner = :old",
            "ConditionExpression": "leaseOwner = :old AND attribute_not_exists(checkpointOwner)",
            "ExpressionAttributeValues": {":new": {"S": "w9"}, ":old": {"S": owner}},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        return {"Update": update}

    response = refused(tables.transact_write_items, TransactItems=[hand_over("s0", "w0"), hand_over("s1", "w0")])
    assert response["Error"]["Code"] == "TransactionCanceledException"
    assert "[None, ConditionalCheckFailed]" in response["Error"]["Message"]
    none, reason = response["CancellationReasons"]
    assert none == {"Code": "None"}
    assert (reason["Code"], reason["Item"]["leaseOwner"]) == ("ConditionalCheckFailed", {"S": "w1"})
    assert owned("w9") == []
    state = {"Put": {"TableName": leases, "Item": lease("leader", owner="w9")}}
    check = {"ConditionCheck": {"TableName": leases, "Key": {"leaseKey": {"S": "s4"}},
                                "ConditionExpression": "attribute_exists(leaseOwner)"}}
    gone = {"Delete": {"TableName": leases, "Key": {"leaseKey": {"S": "s5"}}}}
    tables.transact_write_items(TransactItems=[hand_over("s0", "w0"), state, check, gone])
    assert (owned("w9"), owned("w0"), owned("w1")) == (["leader", "s0"], ["s2", "s4"], ["s1", "s3"])


def test_a_failed_condition_shows_the_item(tables, leases):
    tables.put_item(TableName=leases, Item=lease("s1", 5, "w1"))
    arguments = dict(TableName=leases, Key={"leaseKey": {"S": "s1"}}, UpdateExpression="SET leaseOwner = :w",
                     ConditionExpression="leaseCounter < :n",
                     ExpressionAttributeValues={":w": {"S": "w2"}, ":n": {"N": "5"}})
    assert "Item" not in refused(tables.update_item, **arguments)
    shown = refused(tables.update_item, **arguments, ReturnValuesOnConditionCheckFailure="ALL_OLD")
    assert shown["Item"] == lease("s1", 5, "w1")


def test_of_many_takers_one_wins_each_round(server, tables, leases):
    tables.put_item(TableName=leases, Item=lease("s1"))
    wins, rounds, takers = [], 10, 6
    barrier = threading.Barrier(takers)

    def compete(owner):
        own = client_of(server, service="dynamodb")
        for counter in range(rounds):
            barrier.wait()
            try:
                own.update_item(
                    TableName=leases, Key={"leaseKey": {"S": "s1"}},
                    UpdateExpression="SET leaseOwner = :w ADD leaseCounter :one",
                    ConditionExpression="leaseCounter = :n",
                    ExpressionAttributeValues={":w": {"S": owner}, ":one": {"N": "1"}, ":n": {"N": str(counter)}})
                wins.append((counter, owner))
            except own.exceptions.ConditionalCheckFailedException:
                pass
            barrier.wait()

    threads = [threading.Thread(target=compete, args=(f"w{number}",)) for number in range(takers)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert [counter for counter, _ in wins] == list(range(rounds))
    held = item_of(tables, leases, "s1")
    assert (held["leaseCounter"], held["leaseOwner"]) == ({"N": str(rounds)}, {"S": wins[-1][1]})


def test_a_table_is_read_by_pages_segments_and_filters(tables, leases):
    for start in range(0, 60, 25):
        puts = [{"PutRequest": {"Item": lease(f"s{number}", number, f"w{number % 3}")}}
                for number in range(start, min(start + 25, 60))]
        assert tables.batch_write_item(RequestItems={leases: puts})["UnprocessedItems"] == {}

    def keys(**arguments):
        pages = tables.get_paginator("scan").paginate(TableName=leases, **arguments)
        return sorted(item["leaseKey"]["S"] for page in pages for item in page["Items"])

    everything = sorted(f"s{number}" for number in range(60))
    assert keys() == everything
    assert keys(PaginationConfig={"PageSize": 7}) == everything
    assert sorted(key for segment in range(4) for key in keys(Segment=segment, TotalSegments=4, ConsistentRead=True)) == everything
    third = sorted(f"s{number}" for number in range(0, 60, 3))
    assert keys(FilterExpression="leaseOwner = :w", ExpressionAttributeValues={":w": {"S": "w0"}}) == third
    old = {"leaseOwner": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "w0"}]}}
    assert keys(ScanFilter=old) == third
    counted = tables.scan(TableName=leases, Select="COUNT", FilterExpression="leaseCounter >= :n",
                          ExpressionAttributeValues={":n": {"N": "50"}})
    assert (counted["Count"], counted["ScannedCount"], "Items" in counted) == (10, 60, False)
    assert [entry for entry in tables.scan(TableName=leases, ProjectionExpression="leaseKey", Limit=1)["Items"][0]] == ["leaseKey"]
    got = tables.batch_get_item(RequestItems={leases: {"Keys": [{"leaseKey": {"S": key}} for key in ("s1", "none", "s2")]}})
    assert sorted(item["leaseKey"]["S"] for item in got["Responses"][leases]) == ["s1", "s2"]
    deletes = [{"DeleteRequest": {"Key": {"leaseKey": {"S": f"s{number}"}}}} for number in range(25)]
    tables.batch_write_item(RequestItems={leases: deletes})
    assert len(keys()) == 35


def test_values_come_back_as_they_were_sent(server, name):
    dynamodb = boto3.resource(
        "dynamodb", endpoint_url=server.url, region_name=servers.REGION, aws_access_key_id=servers.OWNER.id,
        aws_secret_access_key=servers.OWNER.secret)
    table = dynamodb.create_table(
        TableName=name, BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "group", "AttributeType": "B"},
                              {"AttributeName": "at", "AttributeType": "N"}],
        KeySchema=[{"AttributeName": "group", "KeyType": "HASH"}, {"AttributeName": "at", "KeyType": "RANGE"}])
    number = decimal.Decimal("-12345678901234567890.123456789012345678")
    item = {
        "group": b"\x00\xff", "at": decimal.Decimal("1.5"), "number": number, "text": "grün \" \\ \u2713", "flag": True,
        "null": None, "bytes": b"", "list": [1, "two", [None]], "map": {"a": {"b": {"c": 3}}}, "empty": {},
        "texts": {"a", "b"}, "numbers": {1, decimal.Decimal("2.5")}, "blobs": {b"a", b"b"},
    }
    table.put_item(Item=item)
    found = table.get_item(Key={"group": b"\x00\xff", "at": decimal.Decimal("1.50")})["Item"]
    assert found == item
    for at in (-20, 3, 10, 200):
        table.put_item(Item={"group": b"g", "at": at})
    ats = lambda **more: [item["at"] for item in table.query(KeyConditionExpression=Key("group").eq(b"g"), **more)["Items"]]
    assert ats() == [-20, 3, 10, 200]
    assert ats(ScanIndexForward=False, Limit=2) == [200, 10]
    assert ats(FilterExpression=Attr("nothing").not_exists() & Attr("at").between(0, 100)) == [3, 10]
    between = table.query(KeyConditionExpression=Key("group").eq(b"g") & Key("at").between(3, 10))
    assert (between["Count"], between["ScannedCount"]) == (2, 2)
    updated = table.update_item(
        Key={"group": b"g", "at": 3}, UpdateExpression="SET #l = list_append(if_not_exists(#l, :none), :more), n = :n - :one",
        ExpressionAttributeNames={"#l": "list"}, ReturnValues="UPDATED_NEW",
        ExpressionAttributeValues={":none": [], ":more": [1], ":n": decimal.Decimal("0.3"), ":one": decimal.Decimal("0.1")})
    assert updated["Attributes"] == {"list": [1], "n": decimal.Decimal("0.2")}
    old = table.delete_item(Key={"group": b"g", "at": 3}, ReturnValues="ALL_OLD")["Attributes"]
    assert old["list"] == [1]


def test_lifion_kinesis_keeps_its_state_in_one_item(tables, name):
    tables.create_table(
        TableName=name, BillingMode="PAY_PER_REQUEST", SSESpecification={"Enabled": True},
        AttributeDefinitions=[{"AttributeName": "consumerGroup", "AttributeType": "S"},
                              {"AttributeName": "streamName", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "consumerGroup", "KeyType": "HASH"},
                   {"AttributeName": "streamName", "KeyType": "RANGE"}])
    key = {"consumerGroup": {"S": "group"}, "streamName": {"S": "stream"}}
    state = {**key, "consumers": {"M": {}}, "enhancedConsumers": {"M": {}}, "shards": {"M": {}},
             "streamCreatedOn": {"S": "2026-11-30"}, "version": {"S": "v1"}}
    put = dict(TableName=name, Item=state, ConditionExpression="attribute_not_exists(streamName)")
    tables.put_item(**put)
    assert error_of(tables.put_item, **put)[0] == "ConditionalCheckFailedException"

    def update(expression, names, values=None, condition=None):
        more = {"ConditionExpression": condition} if condition else {}
        if values:
            more["ExpressionAttributeValues"] = values
        return tables.update_item(TableName=name, Key=key, UpdateExpression=expression, ExpressionAttributeNames=names, **more)

    # A consumer registers once, then its heart beats.
    consumer = {"M": {"isActive": {"BOOL": True}, "heartbeat": {"S": "1"}, "host": {"NULL": True}}}
    register = dict(expression="SET #a.#b = :x", names={"#a": "consumers", "#b": "c-1"}, values={":x": consumer},
                    condition="attribute_not_exists(#a.#b)")
    update(**register)
    assert error_of(update, **register)[0] == "ConditionalCheckFailedException"
    update("SET #a.#b.#c = :x", {"#a": "consumers", "#b": "c-1", "#c": "heartbeat"}, {":x": {"S": "2"}})
    # A shard is leased, its checkpoint is stored, it is released and depleted.
    shard = {"M": {"checkpoint": {"NULL": True}, "depleted": {"BOOL": False}, "leaseOwner": {"NULL": True},
                   "parent": {"NULL": True}, "version": {"S": "s1"}}}
    for shard_id in ("shardId-0", "shardId-1"):
        update("SET #a.#b = :x", {"#a": "shards", "#b": shard_id}, {":x": shard}, "attribute_not_exists(#a.#b)")
    lock = dict(expression="SET #a.#b.#c = :w, #a.#b.#d = :x, #a.#b.#e = :y", condition="#a.#b.#e = :z",
                names={"#a": "shards", "#b": "shardId-0", "#c": "leaseOwner", "#d": "leaseExpiration", "#e": "version"},
                values={":w": {"S": "c-1"}, ":x": {"S": "soon"}, ":y": {"S": "s2"}, ":z": {"S": "s1"}})
    update(**lock)
    assert error_of(update, **lock)[0] == "ConditionalCheckFailedException"
    update("SET #a.#b.#c = :x, #a.#b.#d = :y, #a.#0.#e = :0, #a.#0.#d = :1",
           {"#a": "shards", "#b": "shardId-0", "#c": "depleted", "#d": "version", "#e": "checkpoint", "#0": "shardId-1"},
           {":x": {"BOOL": True}, ":y": {"S": "s3"}, ":0": {"S": "4959"}, ":1": {"S": "s4"}})
    # An enhanced consumer is used by nobody, then by one.
    names = {"#a": "enhancedConsumers", "#b": "e-1", "#c": "isUsedBy", "#d": "version", "#e": "shards"}
    update("SET #a.#b = :x", {"#a": "enhancedConsumers", "#b": "e-1"},
           {":x": {"M": {"isUsedBy": {"NULL": True}, "version": {"S": "e1"}}}}, "attribute_not_exists(#a.#b)")
    update("SET #a.#b.#c = :x, #a.#b.#d = :y, #a.#b.#e = if_not_exists(#a.#b.#e, :w)", names,
           {":v": {"NULL": True}, ":w": {"M": {}}, ":x": {"S": "c-1"}, ":y": {"S": "e2"}, ":z": {"S": "e1"}},
           "#a.#b.#d = :z AND #a.#b.#c = :v")
    update("REMOVE #a.#b", {"#a": "enhancedConsumers", "#b": "e-1"}, condition="attribute_exists(#a.#b)")
    # Consumers that are gone are cleared.
    update("REMOVE #a.#0 SET #b = :x", {"#a": "consumers", "#b": "version", "#0": "c-1"},
           {":x": {"S": "v2"}, ":y": {"S": "v1"}}, "#b = :y")
    found = tables.get_item(TableName=name, Key=key, ConsistentRead=True)["Item"]
    assert (found["consumers"], found["enhancedConsumers"], found["version"]) == ({"M": {}}, {"M": {}}, {"S": "v2"})
    first, second = found["shards"]["M"]["shardId-0"]["M"], found["shards"]["M"]["shardId-1"]["M"]
    assert (first["leaseOwner"], first["depleted"], first["version"]) == ({"S": "c-1"}, {"BOOL": True}, {"S": "s3"})
    assert (second["checkpoint"], second["version"]) == ({"S": "4959"}, {"S": "s4"})


def test_mistakes_are_told_in_the_words_of_dynamodb(tables, leases):
    key = {"leaseKey": {"S": "s1"}}
    for call, arguments, text in [
        (tables.put_item, {"Item": {"leaseOwner": {"S": "w"}}},
         "One or more parameter values were invalid: Missing the key leaseKey in the item"),
        (tables.get_item, {"Key": {"other": {"S": "x"}}}, "The provided key element does not match the schema"),
        (tables.update_item, {"Key": key, "UpdateExpression": "SET a = :x"},
         "Invalid UpdateExpression: An expression attribute value used in expression is not defined; attribute value: :x"),
        (tables.update_item, {"Key": key, "UpdateExpression": "SET #a = b", "ExpressionAttributeNames": {"#a": "leaseKey"}},
         "One or more parameter values were invalid: Cannot update attribute leaseKey. This attribute is part of the key"),
        (tables.update_item, {"Key": key, "UpdateExpression": "SET a = b"},
         "The provided expression refers to an attribute that does not exist in the item"),
        (tables.put_item, {"Item": {"leaseKey": {"S": "s"}}, "ConditionExpression": "size(", },
         'Invalid ConditionExpression: Syntax error; token: "<EOF>"'),
        (tables.put_item, {"Item": {"leaseKey": {"S": "s"}, "n": {"N": "1e200"}}},
         "Number overflow. Attempting to store a number with magnitude larger than supported range"),
        (tables.put_item, {"Item": {"leaseKey": {"S": "s"}, "x": {"B": b"x" * 409600}}},
         "Item size has exceeded the maximum allowed size"),
        (tables.query, {"KeyConditionExpression": "leaseOwner = :w", "ExpressionAttributeValues": {":w": {"S": "w"}}},
         "Query condition missed key schema element: leaseKey"),
        (tables.query, {"IndexName": "none", "KeyConditionExpression": "leaseOwner = :w",
                        "ExpressionAttributeValues": {":w": {"S": "w"}}},
         "The table does not have the specified index: none"),
        (tables.put_item, {"Item": {"leaseKey": {"S": "s"}}, "ExpressionAttributeNames": {"#a": "a"}},
         "Value provided in ExpressionAttributeNames unused in expressions: keys: {#a}"),
        (tables.put_item, {"Item": {"leaseKey": {"S": "s"}}, "ReturnValues": "ALL_NEW"},
         "Return values set to invalid value"),
    ]:
        assert error_of(call, TableName=leases, **arguments) == ("ValidationException", text)


def test_answers_carry_their_sum(tables, leases):
    seen = []

    def look(response, **_):
        seen.append((response["headers"].get("x-amz-crc32"), binascii.crc32(response["body"])))

    tables.meta.events.register("before-parse.dynamodb", lambda response_dict, **_: look(response_dict))
    try:
        tables.put_item(TableName=leases, Item=lease("s1"))
        item_of(tables, leases, "s1")
        refused(tables.describe_table, TableName="none-at-all")
    finally:
        tables.meta.events.unregister("before-parse.dynamodb")
    assert len(seen) == 3 and all(said == str(real) for said, real in seen), seen


def test_policies_decide_about_tables(server, tables, leases):
    reader = client_of(server, servers.READER, service="dynamodb")
    code, text = error_of(reader.get_item, TableName=leases, Key={"leaseKey": {"S": "s1"}})
    assert code == "AccessDeniedException"
    assert f"dynamodb:GetItem on resource: arn:aws:dynamodb:{servers.REGION}:{servers.OWNER.account}:table/{leases}" in text
    stranger = client_of(server, servers.STRANGER, service="dynamodb")
    assert leases not in stranger.list_tables()["TableNames"]
    arn = tables.describe_table(TableName=leases)["Table"]["TableArn"]
    assert error_of(stranger.describe_table, TableName=arn)[0] == "AccessDeniedException"
    elsewhere = client_of(server, service="dynamodb", region="us-west-2")
    assert error_of(elsewhere.describe_table, TableName=leases)[0] == "ResourceNotFoundException"


def test_leases_outlive_the_kill_of_the_broker():
    with servers.running() as server:
        tables = client_of(server, service="dynamodb")
        create(tables, "leases")
        tables.put_item(TableName="leases", Item=lease("s1"))
        stop, done = threading.Event(), []

        def renew():
            own, counter = client_of(server, service="dynamodb"), 0
            while not stop.is_set():
                try:
                    own.update_item(
                        TableName="leases", Key={"leaseKey": {"S": "s1"}}, UpdateExpression="SET leaseCounter = :new",
                        ConditionExpression="leaseCounter = :old",
                        ExpressionAttributeValues={":new": {"N": str(counter + 1)}, ":old": {"N": str(counter)}})
                except Exception:  # The broker is gone: that is the test.
                    return
                counter += 1
                done.append(counter)

        worker = threading.Thread(target=renew)
        worker.start()
        while len(done) < 50:
            worker.join(0.01)
        server.restart_after_kill()
        stop.set()
        worker.join()
        counter = int(item_of(tables, "leases", "s1")["leaseCounter"]["N"])
        # The one on its way may be there.
        assert counter in (done[-1], done[-1] + 1)
        tables.delete_item(TableName="leases", Key={"leaseKey": {"S": "s1"}})
        server.restart_after_kill()
        assert tables.describe_table(TableName="leases")["Table"]["ItemCount"] == 0


def metrics_of(server, **config):
    return boto3.client(
        "cloudwatch", endpoint_url=server.url, region_name=servers.REGION, aws_access_key_id=servers.OWNER.id,
        aws_secret_access_key=servers.OWNER.secret, config=Config(retries={"max_attempts": 0}, **config))


def data(count):
    return [
        {"MetricName": f"RecordsProcessed{number}", "Dimensions": [{"Name": "Operation", "Value": "ProcessTask"}],
         "Timestamp": datetime.datetime.now(), "Unit": "Count",
         "StatisticValues": {"SampleCount": 2, "Sum": 7.5, "Minimum": 1, "Maximum": 6.5}}
        for number in range(count)
    ]


def test_metrics_are_taken_in_small_and_packed_bodies(server):
    metrics = metrics_of(server)
    metrics.put_metric_data(Namespace="app", MetricData=data(2))
    metrics.put_metric_data(Namespace="app", MetricData=[
        {"MetricName": "MillisBehindLatest", "Value": 12.25}, {"MetricName": "Time", "Values": [1, 2], "Counts": [3, 4]}])
    sent = []
    metrics.meta.events.register("before-send.cloudwatch", lambda request, **_: sent.append(dict(request.headers)))
    metrics.put_metric_data(Namespace="app", MetricData=data(300))
    assert sent[0].get("Content-Encoding") in ("gzip", b"gzip"), "the SDK packs large bodies"


def test_metrics_that_make_no_sense_are_refused(server):
    metrics = metrics_of(server, parameter_validation=False)
    code = lambda **arguments: error_of(metrics.put_metric_data, **arguments)[0]
    assert code(Namespace="app", MetricData=[{"MetricName": "x"}]) in ("MissingParameter", "MissingRequiredParameterException")
    assert code(Namespace="app", MetricData=[{"MetricName": "x", "Value": float("nan")}]) in (
        "InvalidParameterValue", "InvalidParameterValueException")
    clerk = boto3.client(
        "cloudwatch", endpoint_url=server.url, region_name=servers.REGION, aws_access_key_id=servers.READER.id,
        aws_secret_access_key=servers.READER.secret, config=Config(retries={"max_attempts": 0}))
    assert error_of(clerk.put_metric_data, Namespace="app", MetricData=data(1))[0] in ("AccessDenied", "AccessDeniedException")
