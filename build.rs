//! Compiles the protos with `protox`, so that a build needs no `protoc`.
use prost::Message as _;
use std::{env, error::Error, fs, path::PathBuf};

const SERVICES: [&str; 7] = [
    "proto/forebay/queue/v1/queue_service.proto",
    "proto/forebay/stream/v1/stream_service.proto",
    "proto/forebay/admin/v1/admin_service.proto",
    "proto/forebay/access/v1/access_service.proto",
    "proto/forebay/storage/v1/image.proto",
    "proto/forebay/storage/v1/access.proto",
    "proto/forebay/storage/v1/stream.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(SERVICES, ["proto"])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("forebay.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .bytes(".forebay.queue.v1.Message.body")
        .bytes(".forebay.queue.v1.ReceivedMessage.body")
        .bytes(".forebay.stream.v1.RecordInput.data")
        .bytes(".forebay.stream.v1.Record.data")
        .compile_fds(descriptors)?;
    Ok(())
}
