// The real binary under test, and a client for it made from proto/ at run time. FOREBAY_BIN names the binary.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import grpc from "@grpc/grpc-js";
import loader from "@grpc/proto-loader";
import protobuf from "protobufjs";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const BINARY = process.env.FOREBAY_BIN ?? join(ROOT, "target/debug/forebay");
const START_MS_MAX = 60_000;
const CALL_MS_MAX = 30_000;
// The administrator's access key.
const KEY = "AKIATESTTESTTESTTEST:0123456789abcdefghijklmnopqrstuvwxyzABCD";

function withKey() {
  const metadata = new grpc.Metadata();
  metadata.set("authorization", `Bearer ${KEY}`);
  return metadata;
}

const definition = loader.loadSync("forebay/queue/v1/queue_service.proto", {
  includeDirs: [join(ROOT, "proto")],
  keepCase: true,
  longs: Number,
  enums: String,
  defaults: true,
  oneofs: true,
});
const { QueueService } = grpc.loadPackageDefinition(definition).forebay.queue.v1;

const health = grpc.loadPackageDefinition(
  loader.fromJSON(
    protobuf.parse(`
      syntax = "proto3"; package grpc.health.v1;
      message HealthCheckRequest { string service = 1; }
      message HealthCheckResponse { int32 status = 1; }
      service Health { rpc Check(HealthCheckRequest) returns (HealthCheckResponse); }
    `).root.toJSON(),
  ),
).grpc.health.v1.Health;

const details = protobuf.parse(`
  syntax = "proto3"; package google.rpc;
  message Any { string type_url = 1; bytes value = 2; }
  message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
  message ErrorInfo { string reason = 1; string domain = 2; map<string, string> metadata = 3; }
  message FieldViolation { string field = 1; string description = 2; }
  message BadRequest { repeated FieldViolation field_violations = 1; }
`, { keepCase: true }).root;

/** The google.rpc details of a failed call, by the short name of their type. */
export function detailsOf(error) {
  const [bytes] = error.metadata.get("grpc-status-details-bin");
  const status = details.lookupType("google.rpc.Status").decode(bytes);
  const found = {};
  for (const any of status.details) {
    const name = any.type_url.split("/").pop();
    const type = details.lookup(name);
    if (type) found[type.name] = type.toObject(type.decode(any.value));
  }
  return found;
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** One broker: the process may come and go, the port and the data stay. */
export class Broker {
  static async start() {
    const broker = new Broker();
    broker.folder = mkdtempSync(join(tmpdir(), "forebay-node-"));
    writeFileSync(join(broker.folder, "key"), `${KEY}\n`);
    broker.address = `127.0.0.1:${await freePort()}`;
    await broker.run();
    return broker;
  }

  async run() {
    const log = openSync(join(this.folder, "broker.log"), "a");
    this.process = spawn(BINARY, ["serve"], {
      cwd: this.folder,
      stdio: ["ignore", log, log],
      env: {
        PATH: process.env.PATH,
        FOREBAY__SERVER__DATA_DIR: join(this.folder, "data"),
        FOREBAY__LISTEN__API__ADDRESS: this.address,
        FOREBAY__AUTH__BOOTSTRAP_KEY_FILE: join(this.folder, "key"),
        FOREBAY__SERVER__PARTITIONS: "4",
        FOREBAY__STORAGE__SEGMENT_SIZE: "8MiB",
      },
    });
    closeSync(log);
    this.exited = once(this.process, "exit");
    const deadline = Date.now() + START_MS_MAX;
    while (!(await this.isServing())) {
      if (this.process.exitCode !== null || Date.now() > deadline) {
        throw new Error(`the broker does not serve:\n${readFileSync(join(this.folder, "broker.log"), "utf8")}`);
      }
      await sleep(20);
    }
    this.client = new QueueService(this.address, grpc.credentials.createInsecure());
  }

  isServing() {
    const client = new health(this.address, grpc.credentials.createInsecure());
    return new Promise((resolve) => {
      client.Check({}, { deadline: Date.now() + 2000 }, (error, answer) => {
        client.close();
        resolve(!error && answer.status === 1);
      });
    });
  }

  /** One unary call. */
  call(method, request) {
    return new Promise((resolve, reject) => {
      this.client[method](request, withKey(), { deadline: Date.now() + CALL_MS_MAX }, (error, answer) =>
        error ? reject(error) : resolve(answer),
      );
    });
  }

  /** A two-way call whose answers are read one by one. */
  open(method, first) {
    const call = this.client[method](withKey(), { deadline: Date.now() + CALL_MS_MAX });
    call.write(first);
    return { call, answers: call[Symbol.asyncIterator](), kept: [] };
  }

  /** Ends the process with the signal; returns its exit code, null after a kill. */
  async stop(signal) {
    this.client.close();
    this.process.kill(signal);
    const [code] = await this.exited;
    return code;
  }

  async restartAfterKill() {
    await this.stop("SIGKILL");
    await this.run();
  }

  async remove() {
    if (this.process.exitCode === null && this.process.signalCode === null) await this.stop("SIGKILL");
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The next frame of this kind. A delivery and a confirmation may overtake each other; heartbeats are dropped. */
export async function nextFrame(stream, kind) {
  const at = stream.kept.findIndex((answer) => answer.frame === kind);
  if (at >= 0) return stream.kept.splice(at, 1)[0][kind];
  for (;;) {
    const { value, done } = await stream.answers.next();
    if (done) throw new Error(`the call ended before a frame ${kind} came`);
    if (value.frame === kind) return value[kind];
    if (value.frame !== "heartbeat") stream.kept.push(value);
  }
}
