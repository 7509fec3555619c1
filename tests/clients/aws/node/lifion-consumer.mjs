// A program that reads a stream with lifion-kinesis and tells its parent what it got. It is ended by a signal: after a
// split its `stopConsumer` fails at the shards that are read to their end.

import dns from "node:dns";
import Kinesis from "lifion-kinesis";

// It subscribes at the name that AWS has for Kinesis, wherever the endpoint is: as in /etc/hosts, that name is this machine.
const { lookup } = dns;
dns.lookup = (name, ...rest) => lookup(name.startsWith("kinesis.") ? "127.0.0.1" : name, ...rest);

const place = { endpoint: process.env.AWS_ENDPOINT_URL, region: process.env.AWS_REGION };
const { streamName, ...options } = JSON.parse(process.argv[2]);
const kinesis = new Kinesis({
    ...place,
    dynamoDb: { ...place, tableName: `state-of-${streamName}` },
    consumerGroup: "group",
    streamName,
    initialPositionInStream: "TRIM_HORIZON",
    leaseAcquisitionInterval: 200,
    leaseAcquisitionRecoveryInterval: 200,
    noRecordsPollDelay: 250,
    pollDelay: 0,
    ...options,
});
kinesis.on("data", ({ records }) => process.send(records.map(({ data }) => data.number)));
kinesis.on("error", (error) => {
    throw error;
});
await kinesis.startConsumer();
