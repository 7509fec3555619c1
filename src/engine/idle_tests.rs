//! A log that nobody writes to any more gives back all that nobody needs, and then rests.

use super::{
    client::Engine,
    crash_tests::machine::{DATA, Machine, TestClock},
    definition::{QueueDefinition, QueueOptions},
    options::EngineOptions,
    tests::{ack, bodies, queue, receive, send},
};
use crate::storage::{checkpoint::Slots, identity::Identity, index::memory::MemoryDisk, log::LogOptions};
use std::{path::Path, sync::Arc, time::Duration};

/// More than a checkpoint puts the next one off.
const HOUR: Duration = Duration::from_secs(3600);
const SEGMENT_BYTES: u64 = 64 << 10;
/// On the second one there is room too, but the engine says that there is little.
const ROOMY: u64 = 64 << 30;
const LOW: u64 = 1 << 30;

/// The clock stands still: a checkpoint that is due comes when the test lets time pass.
struct World {
    machine: Machine,
    engine: Engine,
}

/// One partition, and a log that says nothing by itself.
fn options(machine: &Machine) -> EngineOptions {
    let log = LogOptions {
        heartbeat_after: Duration::from_secs(86_400),
        min_free_percent: 100,
        min_free_bytes: 2 << 30,
        segment_bytes: SEGMENT_BYTES,
        ..machine.options().log
    };
    EngineOptions { partitions: 1, log, ..machine.options() }
}

impl World {
    fn new() -> Self {
        let mut machine = Machine::new(1, TestClock::new(Duration::ZERO), MemoryDisk::default());
        machine.disk.set_capacity(ROOMY);
        let options = options(&machine);
        let engine = machine.start_with(&options).expect("starts");
        Self { machine, engine }
    }

    fn generation(&self) -> u64 {
        let identity = Identity::read(&self.machine.disk, Path::new(DATA)).expect("readable").expect("there");
        Slots::read(&self.machine.disk, Path::new(DATA), identity.uuid.into_bytes())
            .latest()
            .map_or(0, |latest| latest.generation)
    }

    /// Lets a checkpoint be made, which is known to be due.
    async fn checkpoint(&self) {
        let before = self.generation();
        while self.generation() == before {
            self.look().await;
        }
    }

    async fn until(&self, what: &str, reached: impl Fn() -> bool) {
        for _ in 0..10_000 {
            if reached() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("it was not reached that {what}");
    }

    /// Lets time pass and sees to it that the engine has looked at what is due, twice: the disk is nearly full for a moment.
    async fn look(&self) {
        self.machine.clock.advance(HOUR);
        for (capacity, is_low) in [(LOW, true), (ROOMY, false)] {
            self.machine.disk.set_capacity(capacity);
            let has_looked = || self.engine.status().alarms.iter().any(|alarm| alarm == "DISK_LOW") == is_low;
            self.until("the disk was looked at", has_looked).await;
        }
    }

    /// Segments full of messages, which are acknowledged at once.
    async fn traffic(&self, segments: u64) {
        let fast = queue(&self.engine, "fast", QueueOptions::default()).await;
        let body = "x".repeat(8 << 10);
        for _ in 0..segments * SEGMENT_BYTES / (8 << 10) {
            send(&self.engine, &fast, &[&body], None).await;
            ack(&self.engine, &fast, &receive(&self.engine, &fast, 1).await).await;
        }
    }

    async fn segments(&self) -> u64 {
        self.engine.storage_figures().await.expect("figures").log_segments
    }

    /// Lets time pass until the engine has nothing to do; says how many segments and checkpoints that were.
    async fn rest(&self) -> (u64, u64) {
        let began = self.generation();
        let mut quiet = 0;
        while quiet < 10 {
            let before = (self.generation(), self.segments().await);
            self.look().await;
            quiet = if before == (self.generation(), self.segments().await) { quiet + 1 } else { 0 };
            assert!(self.generation() < began + 50, "the engine does not come to rest");
        }
        (self.segments().await, self.generation() - began)
    }

    async fn send_kept(&self, body: &str) {
        let kept = self.kept().await;
        send(&self.engine, &kept, &[body], None).await;
    }

    async fn kept(&self) -> Arc<QueueDefinition> {
        queue(&self.engine, "kept", QueueOptions::default()).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_checkpoint_before_the_last_needed_goes_without_another_write() {
    let world = World::new();
    world.traffic(1).await;
    world.checkpoint().await;
    world.traffic(12).await;
    world.checkpoint().await;
    assert!(world.segments().await > 12, "the first checkpoint needs them all");
    let (segments, checkpoints) = world.rest().await;
    assert_eq!(segments, 1);
    assert!((1..=3).contains(&checkpoints), "{checkpoints} checkpoints");
    assert_eq!(world.rest().await, (1, 0));
    world.machine.expect_no_damage(&world.engine);
    world.engine.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_behind_what_goes_is_evacuated_without_another_write() {
    let world = World::new();
    world.traffic(1).await;
    world.checkpoint().await;
    world.traffic(12).await;
    world.send_kept("old").await;
    world.traffic(3).await;
    world.checkpoint().await;
    // As much as the message takes, and what is being written.
    assert!(world.rest().await.0 <= 2);
    assert_eq!(world.rest().await.1, 0);
    let kept = world.kept().await;
    assert_eq!(bodies(&receive(&world.engine, &kept, 2).await), ["old"]);
    world.engine.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_write_to_a_short_log_takes_a_single_checkpoint() {
    let world = World::new();
    world.send_kept("a").await;
    world.checkpoint().await;
    world.send_kept("b").await;
    world.checkpoint().await;
    assert_eq!(world.rest().await, (1, 0));
    world.engine.close();
}
