// A client in Node against the real broker: the same round trip as the Python client's, from a user's side.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import grpc from "@grpc/grpc-js";

import { Broker, detailsOf, nextFrame } from "./broker.mjs";

let broker;
before(async () => {
  broker = await Broker.start();
});
after(() => broker?.remove());

const text = (messages) => messages.map((message) => message.body.toString());
const ack = (message) => ({ receipt_handle: message.receipt_handle, ack: {} });
const createQueue = (queue_id, settings = {}) =>
  broker.call("CreateQueue", {
    queue_id,
    queue: { type: queue_id.endsWith(".fifo") ? "QUEUE_TYPE_FIFO" : "QUEUE_TYPE_STANDARD", ...settings },
  });
const send = (queue, ...messages) => broker.call("Send", { queue, messages });
const receive = async (queue, fields = {}) =>
  (await broker.call("Receive", { queue, max_messages: 10, ...fields })).messages;

test("a message is sent, received with its attributes and acknowledged", async () => {
  const { queue } = await createQueue("orders");
  assert.match(queue.name, /\/queues\/orders$/);
  const attributes = {
    kind: { data_type: "String", string_value: "order" },
    stamp: { data_type: "Binary", binary_value: Buffer.from([0, 255]) },
  };
  const { results } = await send("orders", { body: Buffer.from("hello"), attributes });
  const [received] = await receive("orders");
  assert.equal(received.message_id, results[0].sent.message_id);
  assert.equal(received.body.toString(), "hello");
  assert.equal(received.attributes.kind.string_value, "order");
  assert.deepEqual(received.attributes.stamp.binary_value, Buffer.from([0, 255]));
  assert.equal(received.receive_count, 1);
  const settled = await broker.call("Settle", { queue: "orders", settlements: [ack(received)] });
  assert.deepEqual(settled.failures, []);
  assert.deepEqual((await broker.call("Peek", { queue: "orders" })).messages, []);
});

test("each entry of a batch succeeds or fails alone", async () => {
  await createQueue("batches", { max_message_bytes: 1024 });
  const { results } = await send("batches", { body: Buffer.from("a") }, { body: Buffer.alloc(1025) });
  assert.deepEqual(results.map((entry) => entry.result), ["sent", "error"]);
  assert.equal(results[1].error.reason, "MESSAGE_TOO_LARGE");
});

test("a waiting receive wakes when a message arrives", async () => {
  await createQueue("waiting");
  const waiting = receive("waiting", { wait: { seconds: 20 } });
  await send("waiting", { body: Buffer.from("wake up") });
  assert.deepEqual(text(await waiting), ["wake up"]);
});

test("a FIFO queue keeps order and recognises a repeat", async () => {
  await createQueue("steps.fifo");
  const entry = (n) => ({ body: Buffer.from(`${n}`), group_id: "g", deduplication_id: `${n}` });
  await send("steps.fifo", entry(1), entry(2), entry(3));
  const { results } = await send("steps.fifo", entry(2));
  assert.equal(results[0].sent.deduplicated, true);
  assert.deepEqual(text(await receive("steps.fifo")), ["1", "2", "3"]);
});

test("settlements extend, give back and reject", async () => {
  await createQueue("dead");
  await createQueue("jobs", { dead_letter_policy: { dead_letter_queue: "dead", max_receive_count: 10 } });
  await send("jobs", { body: Buffer.from("job") });
  const settle = async (outcome) => {
    const [{ receipt_handle }] = await receive("jobs");
    const { failures } = await broker.call("Settle", { queue: "jobs", settlements: [{ receipt_handle, ...outcome }] });
    assert.deepEqual(failures, []);
  };
  await settle({ nack: {} });
  await settle({ extend: { visibility_timeout: { seconds: 0 } } });
  await settle({ dead_letter: { reason: "cannot be read" } });
  const [letter] = await receive("dead", { wait: { seconds: 20 } });
  assert.equal(letter.body.toString(), "job");
});

test("a refused call says why in google.rpc details", async () => {
  await assert.rejects(receive("orders", { max_messages: 1001 }), (error) => {
    assert.equal(error.code, grpc.status.INVALID_ARGUMENT);
    const { ErrorInfo, BadRequest } = detailsOf(error);
    assert.equal(ErrorInfo.domain, "forebay");
    assert.equal(BadRequest.field_violations[0].field, "max_messages");
    return true;
  });
  await assert.rejects(receive("nobody-made-me"), (error) => {
    assert.equal(error.code, grpc.status.NOT_FOUND);
    assert.equal(detailsOf(error).ErrorInfo.reason, "QUEUE_NOT_FOUND");
    return true;
  });
});

test("produce and consume over one call each", async () => {
  await createQueue("pipe");
  const producer = broker.open("Produce", { open: { queue: "pipe", producer_id: "node" } });
  assert.equal((await nextFrame(producer, "opened")).last_sequence, 0);
  const consumer = broker.open("Consume", { open: { queue: "pipe", flow_control: { max_outstanding_messages: 2 } } });
  await nextFrame(consumer, "opened");

  const count = 20;
  for (let n = 1; n <= count; n += 1) {
    producer.call.write({ batch: { first_sequence: n, messages: [{ body: Buffer.from(`${n}`) }] } });
  }
  const seen = [];
  for (let settleId = 1; seen.length < count; settleId += 1) {
    const { messages } = await nextFrame(consumer, "delivery");
    assert.ok(messages.length <= 2);
    seen.push(...text(messages));
    consumer.call.write({ settle: { settle_id: settleId, settlements: messages.map(ack) } });
    assert.deepEqual((await nextFrame(consumer, "settled_through")).failures, []);
  }
  assert.deepEqual(seen.map(Number).sort((a, b) => a - b), Array.from({ length: count }, (_, at) => at + 1));
  for (let n = 1; n <= count; n += 1) assert.equal((await nextFrame(producer, "acked")).first_sequence, n);
  producer.call.end();
  consumer.call.end();
  assert.equal((await producer.answers.next()).done, true);
  assert.equal((await consumer.answers.next()).done, true);
});

test("kill -9 loses nothing that was acknowledged, SIGTERM ends cleanly", async () => {
  await createQueue("durable");
  await send("durable", ...["a", "b", "c"].map((body) => ({ body: Buffer.from(body) })));
  const [first] = await receive("durable", { max_messages: 1 });
  await broker.call("Settle", { queue: "durable", settlements: [ack(first)] });

  await broker.restartAfterKill();
  const { messages } = await broker.call("Peek", { queue: "durable" });
  assert.deepEqual(messages.map((entry) => entry.message.body.toString()), ["b", "c"]);

  assert.equal(await broker.stop("SIGTERM"), 0);
  await broker.run();
  assert.deepEqual(text(await receive("durable")), ["b", "c"]);
});
