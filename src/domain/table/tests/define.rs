//! Tables themselves.

use super::world::{World, item, leases, namespace, path, ranged, text};
use crate::domain::table::{
    Answer, ErrorKind, Request,
    define::{Change, Create, Update},
    schema::{Index, KeySchema, Shown, TableName, TablePath},
    value::Type,
};

fn change(world: &mut World, change: Change) -> Result<Answer, crate::domain::table::TableError> {
    world.ask(Request::Change(path("leases"), change))
}

#[test]
fn names_have_a_rule() {
    for good in ["abc", "a.b-c_D9", &"x".repeat(255)] {
        assert!(TableName::parse(good).is_some(), "{good}");
    }
    for bad in ["", "ab", "a b", "grün", &"x".repeat(256), "a/b"] {
        assert!(TableName::parse(bad).is_none(), "{bad}");
    }
}

#[test]
fn a_table_is_made_once_and_listed_among_its_owners() {
    let mut world = World::new();
    world.create(leases("leases"));
    world.create(ranged("states"));
    let again = world.ask(Request::Create(Box::new(leases("leases")))).expect_err("it is there");
    assert_eq!((again.kind, again.message.as_str()), (ErrorKind::InUse, "Table already exists: leases"));
    let foreign = TablePath { namespace: namespace("111122223333"), ..path("leases") };
    world.create(Create { path: foreign, ..leases("leases") });
    let more = world.ask(Request::Create(Box::new(leases("more")))).expect_err("too many");
    assert_eq!(more.kind, ErrorKind::LimitExceeded);
    let mut list = |after: &str, limit| {
        let request = Request::List { namespace: namespace("000000000000"), after: after.into(), limit };
        world.ask(request).expect("listed")
    };
    assert_eq!(list("", 1), Answer::Names(vec!["leases".into()], true));
    assert_eq!(list("leases", 9), Answer::Names(vec!["states".into()], false));
}

#[test]
fn a_table_that_is_gone_is_gone_with_its_items() {
    let mut world = World::new();
    world.create(leases("leases"));
    world.put("leases", item([("shard", text("s1"))])).expect("put");
    world.ask(Request::Remove(path("leases"))).expect("removed");
    assert_eq!(world.tables.room(), 0);
    let gone = world.ask(Request::Describe(path("leases"))).expect_err("gone");
    assert_eq!(gone.message, "Requested resource not found: Table: leases not found");
    assert_eq!(
        world.put("leases", item([("shard", text("s1"))])).expect_err("gone").message,
        "Requested resource not found"
    );
    world.create(leases("leases"));
    let Answer::Table(shown) = world.ask(Request::Describe(path("leases"))).expect("there") else { panic!() };
    assert_eq!((shown.size, shown.definition.id.0), ((0, 0), 2));
}

#[test]
fn a_protected_table_stays() {
    let mut world = World::new();
    world.create(Create { is_protected: true, ..leases("leases") });
    let error = world.ask(Request::Remove(path("leases"))).expect_err("protected");
    assert!(error.message.contains("protected against deletion"), "{error}");
    change(&mut world, Change::Update(Box::new(Update { is_protected: Some(false), ..Update::default() })))
        .expect("ok");
    world.ask(Request::Remove(path("leases"))).expect("removed");
}

#[test]
fn an_index_that_comes_later_has_the_items_of_before() {
    let mut world = World::new();
    let indexes = Vec::new();
    world.create(Create { indexes, attributes: [("shard".into(), Type::S)].into(), ..leases("leases") });
    for (shard, owner) in [("s1", text("w1")), ("s2", text("w1")), ("s3", text("w2"))] {
        world.put("leases", item([("shard", text(shard)), ("owner", owner)])).expect("put");
    }
    let update = Update {
        attributes: [("owner".into(), Type::S)].into(),
        new_indexes: leases("leases").indexes,
        ..Update::default()
    };
    let Answer::Table(shown) = change(&mut world, Change::Update(Box::new(update.clone()))).expect("changed") else {
        panic!()
    };
    assert_eq!(shown.definition.revision, 2);
    let Answer::Table(shown) = world.ask(Request::Describe(path("leases"))).expect("there") else { panic!() };
    assert_eq!(shown.index_sizes[0].0, 3);
    let again = change(&mut world, Change::Update(Box::new(update))).expect_err("twice");
    assert_eq!(again.message, "Attempting to create an index which already exists");
    let remove = Update { removed_indexes: vec!["owners".into()], ..Update::default() };
    change(&mut world, Change::Update(Box::new(remove.clone()))).expect("removed");
    assert_eq!(change(&mut world, Change::Update(Box::new(remove))).expect_err("gone").kind, ErrorKind::NotFound);
}

#[test]
fn tags_expiry_and_recovery_are_kept() {
    let mut world = World::new();
    world.create(leases("leases"));
    change(&mut world, Change::Tag([("a".into(), "1".into()), ("b".into(), "2".into())].into())).expect("tagged");
    change(&mut world, Change::Untag(vec!["a".into()])).expect("untagged");
    change(&mut world, Change::Expiry("ends".into(), true)).expect("on");
    assert!(change(&mut world, Change::Expiry("ends".into(), true)).is_err());
    assert!(change(&mut world, Change::Expiry("other".into(), true)).is_err());
    let Answer::Table(shown) = change(&mut world, Change::Recovery(true)).expect("on") else { panic!() };
    let definition = &shown.definition;
    assert_eq!((definition.tags.len(), definition.expiry.as_deref(), definition.recovery), (1, Some("ends"), true));
    change(&mut world, Change::Expiry("ends".into(), false)).expect("off");
    assert!(change(&mut world, Change::Expiry("ends".into(), false)).is_err());
    let missing = world.ask(Request::Change(path("none"), Change::Recovery(true))).expect_err("no table");
    assert_eq!(missing.kind, ErrorKind::TableNotFound);
}

#[test]
fn keys_that_cannot_be_are_told() {
    let wrong = [
        Create { attributes: [("shard".into(), Type::S)].into(), ..leases("leases") },
        Create { indexes: Vec::new(), ..leases("leases") },
        Create { attributes: [("shard".into(), Type::M), ("owner".into(), Type::S)].into(), ..leases("leases") },
        Create { key: KeySchema { hash: "shard".into(), range: Some("shard".into()) }, ..leases("leases") },
        Create { indexes: [leases("a-b").indexes, leases("a-b").indexes].concat(), ..leases("leases") },
        Create { tags: [(String::new(), String::new())].into(), ..leases("leases") },
    ];
    for create in wrong {
        assert!(World::new().ask(Request::Create(Box::new(create.clone()))).is_err(), "{create:?}");
    }
    let index = |number: usize| Index {
        name: format!("index-{number}"),
        key: KeySchema { hash: "owner".into(), range: None },
        shown: Shown::All,
        throughput: None,
    };
    let many = Create { indexes: (0..21).map(index).collect(), ..leases("leases") };
    assert!(World::new().ask(Request::Create(Box::new(many))).is_err());
}
