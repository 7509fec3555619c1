//! Tables against a plain list of items, and replay against what was live.

use super::world::{OWNERS, World, condition, item, leases, number, query, scan, text, update, write};
use crate::domain::table::{
    Item, Tables,
    read::Search,
    write::{Action, Write},
};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Step {
    Put {
        shard: u8,
        owner: u8,
    },
    /// Takes the lease if its count is the one expected.
    Take {
        shard: u8,
        owner: u8,
        expected: i64,
    },
    Release {
        shard: u8,
    },
    Delete {
        shard: u8,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let shard = 0_u8..6;
    let owner = 0_u8..3;
    prop_oneof![
        (shard.clone(), owner.clone()).prop_map(|(shard, owner)| Step::Put { shard, owner }),
        (shard.clone(), owner, 0_i64..3).prop_map(|(shard, owner, expected)| Step::Take { shard, owner, expected }),
        shard.clone().prop_map(|shard| Step::Release { shard }),
        shard.prop_map(|shard| Step::Delete { shard }),
    ]
}

/// What a lease is: its owner and its count.
type Model = BTreeMap<u8, (Option<u8>, i64)>;

fn key(shard: u8) -> Item {
    item([("shard", text(&format!("s{shard}")))])
}

fn name(owner: u8) -> String {
    format!("w{owner}")
}

fn lease(shard: u8, (owner, count): (Option<u8>, i64)) -> Item {
    let mut lease = item([("shard", text(&format!("s{shard}"))), ("count", number(count))]);
    lease.extend(owner.map(|owner| ("owner".to_owned(), text(&name(owner)))));
    lease
}

fn act(world: &mut World, model: &mut Model, step: &Step) {
    let (write, expected) = match *step {
        Step::Put { shard, owner } => {
            model.insert(shard, (Some(owner), 0));
            (write("leases", Action::Put(lease(shard, (Some(owner), 0)))), true)
        }
        Step::Take { shard, owner, expected } => {
            let found = model.get_mut(&shard).filter(|(_, count)| *count == expected);
            let holds = found.is_some();
            if let Some(lease) = found {
                *lease = (Some(owner), lease.1 + 1);
            }
            let values = [(":me", text(&name(owner))), (":one", number(1))];
            let update = update("SET owner = :me ADD count :one", &values);
            let condition = Some(condition("count = :old", &[(":old", number(expected))]));
            (Write { condition, ..write("leases", Action::Update(key(shard), update)) }, holds)
        }
        Step::Release { shard } => {
            if let Some(lease) = model.get_mut(&shard) {
                lease.0 = None;
            }
            (write("leases", Action::Update(key(shard), update("REMOVE owner", &[]))), true)
        }
        Step::Delete { shard } => {
            model.remove(&shard);
            (write("leases", Action::Delete(key(shard))), true)
        }
    };
    assert_eq!(world.write(write).is_ok(), expected, "{step:?}");
}

fn compare(world: &mut World, model: &Model) {
    let mut found = world.search(scan("leases")).expect("scanned").items;
    found.sort_by_key(|item| format!("{:?}", item["shard"]));
    assert_eq!(found, model.iter().map(|(shard, state)| lease(*shard, *state)).collect::<Vec<_>>());
    for owner in 0..3 {
        let values = [(":me", text(&name(owner)))];
        let owned = Search { index: Some(OWNERS.into()), ..query("leases", "owner = :me", &values) };
        let expected = model.values().filter(|(held, _)| *held == Some(owner)).count();
        assert_eq!(world.search(owned).expect("queried").count, expected);
    }
}

proptest! {
    #[test]
    fn tables_are_like_the_model_and_replay_converges(
        steps in proptest::collection::vec(step(), 1..40),
        from in any::<prop::sample::Index>(),
        image_at in any::<prop::sample::Index>(),
    ) {
        let mut world = World::new();
        world.create(leases("leases"));
        let mut model = Model::new();
        for step in &steps {
            act(&mut world, &mut model, step);
            compare(&mut world, &model);
        }
        // A state of some moment, over which the log is replayed from an earlier one.
        let at = image_at.index(world.log.len() + 1);
        let mut at_image = Tables::default();
        world.log[..at].iter().for_each(|event| at_image.apply(event));
        let mut replayed = Tables::from_image(at_image.image());
        prop_assert_eq!(replayed.image(), at_image.image());
        let from = from.index(at + 1);
        world.log[from..].iter().for_each(|event| replayed.apply(event));
        prop_assert_eq!(replayed.image(), world.tables.image());
        prop_assert_eq!(replayed.room(), world.tables.room());
        world.tables = replayed;
        compare(&mut world, &model);
    }
}
