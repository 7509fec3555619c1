//! A stream, a queue over it or a group put together from a checkpoint and a stretch of the log is the one that wrote
//! them, also when the log is replayed from before the checkpoint.

use super::random::{Command, QueueCommand, Step, StreamCommand, Trio, steps};
use proptest::prelude::*;

/// One of `count` things, by a random number.
fn pick(random: u16, count: usize) -> usize {
    usize::from(random) * count / (usize::from(u16::MAX) + 1)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_head_and_the_log_from_any_place_before_it_make_the_same_state(
        past in steps(100),
        future in steps(20),
        head_at in any::<u16>(),
        replay_from in any::<u16>(),
    ) {
        let mut live = Trio::new();
        let mut heads = vec![(live.heads(), 0)];
        for step in &past {
            live.run(step);
            heads.push((live.heads(), live.log.len()));
        }
        let (head, lsn) = heads[pick(head_at, heads.len())].clone();
        let mut twin = live.restored(head);
        for event in &live.log[pick(replay_from, lsn + 1)..] {
            twin.apply(event);
        }
        same(live, twin, &future)?;
    }

    #[test]
    fn the_log_alone_makes_the_same_state(past in steps(100), future in steps(20)) {
        let mut live = Trio::new();
        let beginning = live.heads();
        past.iter().for_each(|step| live.run(step));
        let mut twin = live.restored(beginning);
        for event in &live.log {
            twin.apply(event);
        }
        same(live, twin, &future)?;
    }
}

/// The restored one looks like the live one, and behaves like it from now on.
fn same(mut live: Trio, mut twin: Trio, future: &[Step]) -> Result<(), TestCaseError> {
    live.advance();
    twin.advance();
    prop_assert_eq!(twin.heads(), live.heads());
    for step in future {
        live.run(step);
        twin.run(step);
        prop_assert_eq!(twin.heads(), live.heads(), "{:?}", step);
    }
    Ok(())
}

/// What a forgotten shard was served does not count over what came later.
#[test]
fn a_replay_over_a_newer_head_keeps_whose_turn_it_is() {
    let put = |hash| Command::Stream(StreamCommand::Put { hash });
    let receive = || Command::Queue(QueueCommand::Receive { dead: false, max: 9, timeout: 0 });
    let day = 86_400_001;
    let past = [
        (2000, put(0)),
        (0, put(u128::MAX)),
        (0, receive()),
        (0, Command::Stream(StreamCommand::Merge { shard: 1 })),
        (2000, put(0)),
        (0, receive()),
        (2 * day, Command::Forget),
    ];
    let mut live = Trio::new();
    past.iter().for_each(|step| live.run(step));
    let mut twin = live.restored(live.heads());
    for event in &live.log {
        twin.apply(event);
    }
    same(live, twin, &[(0, put(7)), (0, receive())]).expect("the same");
}
