// @aws-sdk/client-sqs as programs use it, with its own MD5 checks on. The environment names server and key.

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  ChangeMessageVisibilityCommand,
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ListQueuesCommand,
  QueueDoesNotExist,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  SQSClient,
} from "@aws-sdk/client-sqs";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";

const sqs = new SQSClient({ maxAttempts: 1 });
const send = (command) => sqs.send(command);
let number = 0;

async function queue(attributes = {}, suffix = "") {
  number += 1;
  const answer = await send(new CreateQueueCommand({ QueueName: `v3-${number}${suffix}`, Attributes: attributes }));
  return answer.QueueUrl;
}

async function receive(QueueUrl, more = {}) {
  const answer = await send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 5, ...more }));
  return answer.Messages ?? [];
}

test("a message with attributes comes as it was sent", async () => {
  const QueueUrl = await queue();
  const MessageAttributes = {
    text: { DataType: "String", StringValue: "grün & <b>" },
    bytes: { DataType: "Binary", BinaryValue: new Uint8Array([0, 255, 1]) },
    number: { DataType: "Number", StringValue: "1.5" },
  };
  const MessageBody = 'one\r\ntwo \u2713 <x y="z"/>';
  const sent = await send(new SendMessageCommand({ QueueUrl, MessageBody, MessageAttributes }));
  const [message] = await receive(QueueUrl, { MessageAttributeNames: ["All"], AttributeNames: ["All"] });
  assert.equal(message.Body, MessageBody);
  assert.equal(message.MessageId, sent.MessageId);
  assert.deepEqual(message.MessageAttributes.bytes.BinaryValue, MessageAttributes.bytes.BinaryValue);
  assert.equal(message.MessageAttributes.text.StringValue, MessageAttributes.text.StringValue);
  assert.equal(message.Attributes.ApproximateReceiveCount, "1");
  await send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: message.ReceiptHandle }));
  const counts = await send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["All"] }));
  assert.equal(counts.Attributes.ApproximateNumberOfMessagesNotVisible, "0");
});

test("batches go, come, and tell which entry failed", async () => {
  const QueueUrl = await queue();
  const Entries = Array.from({ length: 10 }, (_, at) => ({ Id: `${at}`, MessageBody: `body ${at}` }));
  const sent = await send(new SendMessageBatchCommand({ QueueUrl, Entries }));
  assert.equal(sent.Successful.length, 10);
  const messages = [];
  while (messages.length < 10) messages.push(...(await receive(QueueUrl, { MaxNumberOfMessages: 10 })));
  const handles = messages.map(({ ReceiptHandle }, at) => ({ Id: `${at}`, ReceiptHandle }));
  handles[9].ReceiptHandle = "nonsense";
  const deleted = await send(new DeleteMessageBatchCommand({ QueueUrl, Entries: handles }));
  assert.equal(deleted.Successful.length, 9);
  assert.equal(deleted.Failed[0].Code, "ReceiptHandleIsInvalid");
});

test("a released message comes again, and then is a dead letter", async () => {
  const dead = await queue({}, "-dead");
  const { Attributes } = await send(new GetQueueAttributesCommand({ QueueUrl: dead, AttributeNames: ["QueueArn"] }));
  const RedrivePolicy = JSON.stringify({ deadLetterTargetArn: Attributes.QueueArn, maxReceiveCount: 2 });
  const QueueUrl = await queue({ RedrivePolicy });
  await send(new SendMessageCommand({ QueueUrl, MessageBody: "poison" }));
  for (let times = 0; times < 2; times += 1) {
    const [{ ReceiptHandle }] = await receive(QueueUrl);
    await send(new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout: 0 }));
  }
  assert.deepEqual(await receive(QueueUrl, { WaitTimeSeconds: 0 }), []);
  const [message] = await receive(dead);
  assert.equal(message.Body, "poison");
});

test("fifo keeps the order of a group", async () => {
  const QueueUrl = await queue({ FifoQueue: "true", ContentBasedDeduplication: "true" }, ".fifo");
  for (const MessageBody of ["1", "2", "2", "3"]) {
    await send(new SendMessageCommand({ QueueUrl, MessageBody, MessageGroupId: "g" }));
  }
  const messages = await receive(QueueUrl, { MaxNumberOfMessages: 10 });
  assert.deepEqual(messages.map(({ Body }) => Body), ["1", "2", "3"]);
});

test("errors are the classes of the SDK", async () => {
  await assert.rejects(send(new GetQueueUrlCommand({ QueueName: "nothing" })), (error) => {
    assert.ok(error instanceof QueueDoesNotExist, error);
    assert.equal(error.$metadata.httpStatusCode, 400);
    assert.ok(error.$metadata.requestId);
    return true;
  });
  const liar = new SQSClient({
    maxAttempts: 1,
    credentials: { accessKeyId: process.env.AWS_ACCESS_KEY_ID, secretAccessKey: "wrong" },
  });
  await assert.rejects(liar.send(new ListQueuesCommand({})), (error) => {
    assert.match(error.message, /^The request signature we calculated does not match/);
    assert.equal(error.$metadata.httpStatusCode, 403);
    return true;
  });
});

test("the caller is told who it is", async () => {
  const identity = await new STSClient({ maxAttempts: 1 }).send(new GetCallerIdentityCommand({}));
  assert.equal(identity.Account, process.env.AWS_ACCOUNT);
});
