//! Writes of items.

use super::world::{NOW, OWNERS, World, condition, item, leases, number, path, query, ranged, text, update, write};
use crate::domain::table::{
    Answer, ErrorKind, Item, Request, Value,
    define::Change,
    read::Get,
    write::{Action, ITEM_BYTES_MAX, Returns, Write},
};
use std::time::Duration;

fn world() -> World {
    let mut world = World::new();
    world.create(leases("leases"));
    world.create(ranged("states"));
    world
}

fn lease(shard: &str, owner: &str, count: i64) -> Item {
    item([("shard", text(shard)), ("owner", text(owner)), ("count", number(count))])
}

fn key(shard: &str) -> Item {
    item([("shard", text(shard))])
}

fn get(world: &mut World, shard: &str) -> Option<Item> {
    let get = Get { table: path("leases"), key: key(shard), projection: None };
    let found = world.ask(Request::Get(get)).expect("got");
    let Answer::Item(item) = found else { panic!("{found:?}") };
    item
}

#[test]
fn one_of_two_takers_gets_the_lease() {
    let mut world = world();
    world.put("leases", lease("s1", "w1", 1)).expect("put");
    let take = |owner: &str| Write {
        condition: Some(condition("count = :old", &[(":old", number(1))])),
        shows_failed: true,
        returns: Returns::AllNew,
        ..write(
            "leases",
            Action::Update(
                key("s1"),
                update("SET owner = :me, count = count + :one", &[(":me", text(owner)), (":one", number(1))]),
            ),
        )
    };
    assert_eq!(world.write(take("w2")), Ok(Some(lease("s1", "w2", 2))));
    let late = world.write(take("w3")).expect_err("late");
    assert_eq!((late.kind, late.message.as_str()), (ErrorKind::ConditionFailed, "The conditional request failed"));
    assert_eq!(late.item.as_deref(), Some(&lease("s1", "w2", 2)));
    assert_eq!(get(&mut world, "s1"), Some(lease("s1", "w2", 2)));
    let owned = world.search(crate::domain::table::read::Search {
        index: Some(OWNERS.into()),
        ..query("leases", "owner = :me", &[(":me", text("w1"))])
    });
    assert_eq!(owned.expect("queried").count, 0, "the index lets go of the old owner");
}

#[test]
fn an_update_makes_the_item_unless_it_only_takes_away() {
    let mut world = world();
    let set = update("SET count = if_not_exists(count, :zero)", &[(":zero", number(0))]);
    world.write(write("leases", Action::Update(key("s1"), set))).expect("made");
    assert_eq!(get(&mut world, "s1"), Some(item([("shard", text("s1")), ("count", number(0))])));
    world.write(write("leases", Action::Update(key("s2"), update("REMOVE owner", &[])))).expect("nothing to do");
    assert_eq!(get(&mut world, "s2"), None);
}

#[test]
fn writes_show_what_was_asked_for() {
    let mut world = world();
    world.put("leases", lease("s1", "w1", 1)).expect("put");
    let mut shown = |returns, count| {
        let update = update("SET count = :count", &[(":count", number(count))]);
        world.write(Write { returns, ..write("leases", Action::Update(key("s1"), update)) }).expect("written")
    };
    assert_eq!(shown(Returns::Nothing, 2), None);
    assert_eq!(shown(Returns::AllOld, 3), Some(lease("s1", "w1", 2)));
    assert_eq!(shown(Returns::AllNew, 4), Some(lease("s1", "w1", 4)));
    assert_eq!(shown(Returns::UpdatedOld, 5), Some(item([("count", number(4))])));
    assert_eq!(shown(Returns::UpdatedNew, 6), Some(item([("count", number(6))])));
    let delete = Write { returns: Returns::AllOld, ..write("leases", Action::Delete(key("s1"))) };
    assert_eq!(world.write(delete.clone()), Ok(Some(lease("s1", "w1", 6))));
    assert_eq!(world.write(delete), Ok(None));
}

#[test]
fn an_event_is_written_only_when_something_changes() {
    let mut world = world();
    world.put("leases", lease("s1", "w1", 1)).expect("put");
    let before = world.log.len();
    world.put("leases", lease("s1", "w1", 1)).expect("put again");
    world.write(write("leases", Action::Delete(key("none")))).expect("nothing there");
    world.write(write("leases", Action::Check(key("s1")))).expect("there");
    assert_eq!(world.log.len(), before);
}

#[test]
fn what_no_item_can_be_is_told() {
    let mut world = world();
    let large = item([("shard", text("s1")), ("x", Value::Bytes(vec![0; ITEM_BYTES_MAX]))]);
    let long = item([("shard", text(&"s".repeat(2049)))]);
    for (bad, why) in [
        (item([("owner", text("w"))]), "Missing the key shard in the item"),
        (item([("shard", number(1))]), "Type mismatch for key shard expected: S actual: N"),
        (item([("shard", text(""))]), "cannot contain an empty string value. Key: shard"),
        (
            item([("shard", text("s1")), ("owner", number(1))]),
            "Type mismatch for Index Key owner Expected: S Actual: N",
        ),
        (large, "Item size has exceeded the maximum allowed size"),
        (long, "Size of hashkey has exceeded the maximum size limit of2048 bytes"),
    ] {
        let error = world.put("leases", bad).expect_err(why);
        assert!(error.message.contains(why), "{error}");
    }
    let wrong_key = write("leases", Action::Delete(lease("s1", "w", 1)));
    assert_eq!(
        world.write(wrong_key).expect_err("a key").message,
        "The provided key element does not match the schema"
    );
    let of_key = Action::Update(key("s1"), update("SET shard = :s", &[(":s", text("x"))]));
    let error = world.write(write("leases", of_key)).expect_err("of the key");
    assert!(error.message.contains("Cannot update attribute shard. This attribute is part of the key"), "{error}");
}

#[test]
fn room_has_a_limit_that_lets_old_items_change() {
    let mut world = world();
    let fat = |shard: &str| item([("shard", text(shard)), ("fat", Value::Bytes(vec![7; 300_000]))]);
    for shard in ["s1", "s2", "s3"] {
        world.put("leases", fat(shard)).expect("there is room");
    }
    assert_eq!(world.put("leases", fat("s4")).expect_err("no room").kind, ErrorKind::LimitExceeded);
    world.write(write("leases", Action::Delete(key("s1")))).expect("deleted");
    world.put("leases", fat("s4")).expect("room again");
    world.limits.is_disk_full = true;
    assert_eq!(world.put("leases", lease("new", "w", 1)).expect_err("full").kind, ErrorKind::Full);
    let renew = update("SET count = :n", &[(":n", number(1))]);
    world.write(write("leases", Action::Update(key("s4"), renew))).expect("a lease goes on on a full disk");
}

#[test]
fn one_call_writes_so_much() {
    let mut world = world();
    let put = |shard: &str| {
        write("leases", Action::Put(item([("shard", text(shard)), ("fat", Value::Bytes(vec![7; 300_000]))])))
    };
    world.limits.call_bytes = 500_000;
    let error = world.ask(Request::WriteBatch(vec![put("s1"), put("s2")])).expect_err("too much");
    assert!(error.message.contains("may take 500000 bytes together"), "{error}");
    world.ask(Request::WriteBatch(vec![put("s1")])).expect("written");
}

#[test]
fn items_end_at_their_second() {
    let mut world = world();
    let on = Request::Change(path("leases"), Change::Expiry("ends".into(), true));
    let ending = |shard: &str, end: Value| item([("shard", text(shard)), ("ends", end)]);
    let now = (NOW.0 / 1000) as i64;
    world.put("leases", ending("before", number(now - 1))).expect("put");
    world.ask(on).expect("on");
    world.put("leases", ending("moved", number(now - 1))).expect("put");
    world.put("leases", ending("moved", number(now + 9))).expect("put");
    world.put("leases", ending("text", text("0"))).expect("put");
    world.put("leases", key("never")).expect("put");
    world.put("leases", ending("now", number(now))).expect("put");
    let mut expire = |seconds: u64| {
        let events = world.tables.expire(NOW + Duration::from_secs(seconds));
        events.iter().for_each(|event| world.tables.apply(event));
        events.len()
    };
    assert_eq!((expire(0), expire(0), expire(1), expire(9), expire(10), expire(1_000_000)), (1, 0, 1, 0, 1, 0));
    assert!(get(&mut world, "text").is_some() && get(&mut world, "never").is_some());
}

#[test]
fn a_batch_has_different_items() {
    let mut world = world();
    let put = |shard: &str| write("leases", Action::Put(lease(shard, "w", 1)));
    world.ask(Request::WriteBatch(vec![put("s1"), put("s2"), write("leases", Action::Delete(key("s3")))])).expect("ok");
    assert!(get(&mut world, "s1").is_some() && get(&mut world, "s2").is_some());
    let twice = world.ask(Request::WriteBatch(vec![put("s1"), write("leases", Action::Delete(key("s1")))]));
    assert_eq!(twice.expect_err("twice").message, "Provided list of item keys contains duplicates");
}

#[test]
fn a_transaction_is_all_or_nothing() {
    let mut world = world();
    world.put("leases", lease("s1", "w1", 1)).expect("put");
    let owned = |shard: &str, owner: &str, action| Write {
        condition: Some(condition("owner = :me", &[(":me", text(owner))])),
        shows_failed: true,
        table: path("leases"),
        ..write(shard, action)
    };
    let state = write("states", Action::Put(item([("group", text("g")), ("at", number(1))])));
    let events = world.log.len();
    let check = owned("s-1", "w2", Action::Check(key("s1")));
    let error = world.ask(Request::Transact(vec![state.clone(), check])).expect_err("not the owner");
    assert_eq!(
        error.message,
        "Transaction cancelled, please refer cancellation reasons for specific reasons [None, ConditionalCheckFailed]"
    );
    assert_eq!(error.reasons[1].as_ref().and_then(|reason| reason.item.as_deref()), Some(&lease("s1", "w1", 1)));
    assert_eq!(world.log.len(), events);
    let check = owned("s-1", "w1", Action::Check(key("s1")));
    world.ask(Request::Transact(vec![state.clone(), check])).expect("done");
    assert_eq!(world.log.len(), events + 1);
    let twice = world.ask(Request::Transact(vec![state.clone(), state]));
    assert!(twice.expect_err("twice").message.contains("multiple operations on one item"));
    let unknown = world.ask(Request::Transact(vec![write("none", Action::Check(key("s1")))]));
    assert_eq!(unknown.expect_err("no table").kind, ErrorKind::NotFound);
}
