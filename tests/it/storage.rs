//! The storage of a broker in use, as an operator sees it: its figures, and the damage that is found in it.

use crate::{
    broker::{TestBroker, soon, start},
    cli::run,
};
use forebay::proto::{
    admin::v1::{GetStatusRequest, VerifyStorageRequest},
    queue::v1 as wire,
};
use std::{
    fs,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

fn segment(dir: &Path, seq: u64) -> PathBuf {
    dir.join(format!("wal/{seq:020}.wal"))
}

/// What [`fill`] leaves sealed: a segment of 8 MiB takes one of its batches and no second one.
const SEALED_BYTES: u64 = 16 << 20;

/// Sends three batches of four messages of a mebibyte each; the third goes to the third segment of the log.
async fn fill(broker: &TestBroker) {
    broker.create("orders", wire::Queue::default()).await;
    for _ in 0..3 {
        let body = wire::Message { body: vec![b'x'; 1 << 20].into(), ..Default::default() };
        let request = wire::SendRequest { queue: "orders".into(), messages: vec![body; 4], ..Default::default() };
        let results = broker.queues().await.send(request).await.unwrap().into_inner().results;
        assert_eq!(results.len(), 4);
    }
}

/// Flips a bit in the middle of a message of the first segment.
fn damage(broker: &TestBroker) {
    let file = fs::File::options().read(true).write(true).open(segment(broker.dir.path(), 1)).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, 3 << 20).unwrap();
    assert_eq!(byte, [b'x'], "a byte of a body");
    file.write_all_at(b"y", 3 << 20).unwrap();
}

/// A whole pass: the bytes that it read of those it wanted to, and what it found.
async fn verify(broker: &TestBroker) -> (u64, u64, Vec<String>) {
    let request = VerifyStorageRequest { max_bytes_per_second: 1 << 30 };
    let mut steps = broker.admin().await.verify_storage(request).await.unwrap().into_inner();
    let (mut checked, mut total, mut problems) = (0, 0, Vec::new());
    while let Some(step) = soon(steps.message()).await.unwrap() {
        assert!(step.checked_bytes >= checked);
        (checked, total) = (step.checked_bytes, step.total_bytes);
        problems.extend(step.problems);
    }
    (checked, total, problems)
}

async fn alarms(broker: &TestBroker) -> Vec<String> {
    broker.admin().await.get_status(GetStatusRequest {}).await.unwrap().into_inner().alarms
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_reads_what_is_sealed_and_raises_an_alarm_for_what_is_damaged() {
    let broker = start().await;
    assert_eq!(verify(&broker).await, (0, 0, vec![]), "nothing is sealed yet");
    fill(&broker).await;
    assert_eq!(verify(&broker).await, (SEALED_BYTES, SEALED_BYTES, vec![]));
    assert_eq!(alarms(&broker).await, [""; 0]);
    damage(&broker);
    for pass in ["the first", "again"] {
        let (checked, total, problems) = verify(&broker).await;
        assert_eq!((checked, total), (SEALED_BYTES, SEALED_BYTES), "{pass}");
        let [problem] = &problems[..] else { panic!("{pass}: {problems:?}") };
        assert!(problem.starts_with("wal/00000000000000000001.wal: segment 1 bytes "), "{problem}");
        assert!(
            problem.contains(" frames ") && problem.ends_with("a block's body does not match its CRC"),
            "{problem}"
        );
        assert_eq!(alarms(&broker).await, ["CORRUPT_SEGMENT"], "{pass}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_verifies_a_running_server_and_fails_on_damage() {
    let broker = start().await;
    fill(&broker).await;
    let sound = run(&broker, &["server", "verify", "--rate", "1GiB"]).await;
    assert_eq!((sound.code, sound.out.as_str()), (0, ""), "{}", sound.err);
    assert!(sound.err.contains("16MiB of sealed segments read: 0 problems"), "{}", sound.err);
    damage(&broker);
    let damaged = run(&broker, &["server", "verify", "--rate", "1GiB"]).await;
    assert_eq!(damaged.code, 1, "{}", damaged.err);
    assert!(damaged.rows()[0]["problem"].as_str().unwrap().contains("segment 1 bytes"), "{}", damaged.out);
    assert!(damaged.err.contains("forebay storage repair"), "{}", damaged.err);
    assert_eq!(run(&broker, &["server", "verify", "--rate", "1KiB"]).await.code, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_ends_when_the_broker_drains() {
    let broker = start().await;
    fill(&broker).await;
    // Minutes at this rate.
    let request = VerifyStorageRequest { max_bytes_per_second: 64 << 10 };
    let mut steps = broker.admin().await.verify_storage(request).await.unwrap().into_inner();
    assert!(soon(steps.message()).await.unwrap().is_some());
    broker.draining.cancel();
    let status = loop {
        match soon(steps.message()).await {
            Ok(step) => assert!(step.is_some(), "the pass is not whole"),
            Err(status) => break status,
        }
    };
    assert_eq!(status.code(), tonic::Code::Unavailable, "{status}");
    soon(broker.end()).await;
}
