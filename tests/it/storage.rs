//! The storage of a broker in use, as an operator sees it: its figures, and the damage that is found in it.

use crate::{
    aws,
    broker::{TestBroker, ack, message, soon, start, start_on},
    cli::run,
};
use forebay::{
    proto::{
        admin::v1::{
            GetStatusRequest, VerifyStorageRequest,
            get_status_response::{DiskState, Storage},
        },
        queue::v1 as wire,
    },
    storage::{
        index::memory::MemoryDisk,
        io::{Io as _, sim::SimDisk},
        log::LogOptions,
        store::IndexKind,
    },
};
use serde_json::json;
use std::{
    fs,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tonic_types::StatusExt as _;

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

async fn storage(broker: &TestBroker) -> Storage {
    let status = broker.admin().await.get_status(GetStatusRequest {}).await.unwrap().into_inner();
    status.storage.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_says_how_much_is_needed_and_what_holds_the_oldest_segment() {
    let broker = start().await;
    fill(&broker).await;
    let full = storage(&broker).await;
    assert_eq!(full.disk_state(), DiskState::Normal);
    assert_eq!((full.log_segments, full.log_bytes, full.oldest_segment), (3, SEALED_BYTES + (8 << 20), 1));
    assert_eq!((full.live_messages, full.live_bytes), (12, 12 << 20));
    assert_eq!(full.dead_bytes, full.log_bytes - full.live_bytes);
    assert!(full.disk_total_bytes > 0);
    let holders: Vec<_> = full.partitions.iter().filter(|partition| partition.by_message).collect();
    let [holder] = &holders[..] else { panic!("{full:?}") };
    assert!(holder.holds_oldest_segment && holder.oldest_lsn > 0 && holder.send_time.is_some(), "{holder:?}");
    assert!(holder.queue.ends_with("orders"), "{holder:?}");
    let scrub = full.scrub.unwrap();
    assert_eq!((scrub.bytes_per_second, scrub.passes, scrub.last_pass_end_time), (0, 0, None));

    verify(&broker).await;
    let scrub = storage(&broker).await.scrub.unwrap();
    assert_eq!((scrub.running, scrub.passes, scrub.damaged_blocks), (false, 1, 0));
    assert!(scrub.scrubbed_bytes > 8 << 20 && scrub.last_pass_end_time.is_some(), "{scrub:?}");

    let shown = run(&broker, &["server", "status"]).await.row();
    assert_eq!(shown["storage"]["live_messages"], 12);
    let table = run(&broker, &["server", "status", "--output", "table"]).await.out;
    assert!(table.contains("for a message of queue") && table.contains("24MiB in 3 segments: 12MiB live"), "{table}");

    broker.queues().await.purge_queue(wire::PurgeQueueRequest { name: "orders".into() }).await.unwrap();
    let empty = storage(&broker).await;
    assert_eq!((empty.live_messages, empty.live_bytes), (0, 0));
    assert!(empty.partitions.iter().all(|partition| partition.oldest_lsn == 0 && !partition.by_message), "{empty:?}");
}

/// Sends until the broker answers as `wanted`; says what it answered.
async fn send_until(
    broker: &TestBroker,
    wanted: impl Fn(&Result<(), tonic::Status>) -> bool,
) -> Result<(), tonic::Status> {
    let request = wire::SendRequest { queue: "orders".into(), messages: vec![message("more")], ..Default::default() };
    let mut client = broker.queues().await;
    soon(async {
        loop {
            let answer = client.send(request.clone()).await.map(drop);
            if wanted(&answer) {
                return answer;
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_nearly_full_refuses_growth_over_both_protocols_and_nothing_else_and_resumes_by_itself() {
    let disk = SimDisk::new(1);
    disk.set_capacity(64 << 20);
    let broker = start_on(Arc::new(disk.clone()), |options| {
        options.index = IndexKind::Memory(MemoryDisk::default());
        options.checkpoint_interval = Duration::from_millis(5);
        let log = LogOptions {
            segment_bytes: 1 << 20,
            min_free_percent: 10,
            min_free_bytes: u64::MAX,
            ..options.log.clone()
        };
        options.log = log;
    })
    .await;
    broker.create("orders", wire::Queue::default()).await;
    send_until(&broker, Result::is_ok).await.unwrap();
    let filler = disk.create(Path::new("/filler")).unwrap();
    filler.set_len((64 << 20) - (4 << 20) - used(&disk)).unwrap();

    let refused = send_until(&broker, Result::is_err).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
    assert_eq!(refused.get_details_error_info().unwrap().reason, "STORAGE_FULL");
    assert!(refused.get_details_retry_info().unwrap().retry_delay.is_some());
    let url = "http://127.0.0.1:9400/000000000000/orders";
    let answer = aws::call(&broker, "SendMessage", &json!({"QueueUrl": url, "MessageBody": "more"})).await;
    assert_eq!(answer.status, 503, "what SDKs repeat: {}", answer.body);
    let low = storage(&broker).await;
    assert_eq!(low.disk_state(), DiskState::Low);
    assert_eq!(alarms(&broker).await, ["DISK_LOW"]);

    let receive = wire::ReceiveRequest { queue: "orders".into(), max_messages: 1, ..Default::default() };
    let received = broker.queues().await.receive(receive).await.unwrap().into_inner().messages;
    let settle = wire::SettleRequest { queue: "orders".into(), settlements: vec![ack(&received[0])] };
    assert_eq!(broker.queues().await.settle(settle).await.unwrap().into_inner().failures, []);
    assert_eq!(aws::call(&broker, "ReceiveMessage", &json!({"QueueUrl": url})).await.status, 200);
    assert_eq!(aws::call(&broker, "PurgeQueue", &json!({"QueueUrl": url})).await.status, 200);

    filler.set_len(0).unwrap();
    send_until(&broker, Result::is_ok).await.unwrap();
    assert_eq!(storage(&broker).await.disk_state(), DiskState::Normal);
    soon(broker.end()).await;
}

fn used(disk: &SimDisk) -> u64 {
    disk.files().iter().map(|path| disk.contents(path).unwrap().len() as u64).sum()
}
