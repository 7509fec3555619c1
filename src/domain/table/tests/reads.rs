//! Scans and queries.

use super::world::{OWNERS, World, condition, item, leases, number, query, ranged, scan, text};
use crate::domain::table::{
    Item, Value,
    expression::{placeholders::Placeholders, projection::Projection},
    read::{Page, Scope, Search},
};
use std::collections::BTreeSet;

fn world() -> World {
    let mut world = World::new();
    world.create(leases("leases"));
    world.create(ranged("states"));
    for number in 0..50 {
        let owner = text(if number % 2 == 0 { "even" } else { "odd" });
        let lease =
            item([("shard", text(&format!("s{number}"))), ("owner", owner), ("count", super::world::number(number))]);
        world.put("leases", lease).expect("put");
    }
    for at in [-3, 0, 2, 10, 11] {
        world.put("states", item([("group", text("g")), ("at", number(at))])).expect("put");
    }
    world.put("states", item([("group", text("other")), ("at", number(1))])).expect("put");
    world
}

/// Every item of a search, page by page.
fn all(world: &mut World, search: &Search) -> Vec<Item> {
    let mut items = Vec::new();
    let mut search = search.clone();
    loop {
        let page = world.search(search.clone()).expect("searched");
        items.extend(page.items);
        match page.last {
            Some(last) => search.start = Some(last),
            None => return items,
        }
    }
}

fn names(items: &[Item]) -> BTreeSet<String> {
    let name = |item: &Item| {
        let found = &item["shard"];
        let Value::Text(text) = found else { panic!("{found:?}") };
        text.clone()
    };
    items.iter().map(name).collect()
}

fn ats(page: &Page) -> Vec<i64> {
    let at = |item: &Item| {
        let found = &item["at"];
        let Value::Number(number) = found else { panic!("{found:?}") };
        number.to_i64().expect("whole")
    };
    page.items.iter().map(at).collect()
}

#[test]
fn a_scan_by_pages_has_every_item_once() {
    let mut world = world();
    for limit in [1, 7, 50, 1000] {
        let items = all(&mut world, &Search { limit: Some(limit), ..scan("leases") });
        assert_eq!((items.len(), names(&items).len()), (50, 50), "{limit}");
    }
}

#[test]
fn the_segments_of_a_scan_have_every_item_once() {
    let mut world = world();
    for of in [1, 3, 16] {
        let mut items = Vec::new();
        for segment in 0..of {
            let part = Search { scope: Scope::All { segment, of }, limit: Some(3), ..scan("leases") };
            items.extend(all(&mut world, &part));
        }
        assert_eq!((items.len(), names(&items).len()), (50, 50), "{of} segments");
    }
}

#[test]
fn a_filter_counts_what_it_looks_at() {
    let mut world = world();
    let filter = Some(condition("owner = :odd", &[(":odd", text("odd"))]));
    let page = world.search(Search { filter, counts_only: true, ..scan("leases") }).expect("scanned");
    assert_eq!((page.count, page.scanned, page.items.len(), page.last), (25, 50, 0, None));
}

#[test]
fn a_query_has_the_range_in_order() {
    let mut world = world();
    let g = (":g", text("g"));
    let whole = query("states", "group = :g", std::slice::from_ref(&g));
    assert_eq!(ats(&world.search(whole.clone()).expect("queried")), [-3, 0, 2, 10, 11]);
    let Scope::Key { condition, .. } = whole.scope.clone() else { panic!() };
    let back = Search { scope: Scope::Key { condition, is_forward: false }, limit: Some(2), ..whole };
    let first = world.search(back.clone()).expect("queried");
    assert_eq!(ats(&first), [11, 10]);
    let second = world.search(Search { start: first.last, ..back }).expect("queried");
    assert_eq!(ats(&second), [2, 0]);
    let values = [g, (":low", number(0)), (":high", number(10))];
    let between = query("states", "group = :g AND at BETWEEN :low AND :high", &values);
    assert_eq!(ats(&world.search(between).expect("queried")), [0, 2, 10]);
}

#[test]
fn an_index_has_its_own_order_and_shows_what_it_includes() {
    let mut world = world();
    world.put("leases", item([("shard", text("unowned"))])).expect("put");
    let owned =
        |limit| Search { index: Some(OWNERS.into()), limit, ..query("leases", "owner = :me", &[(":me", text("odd"))]) };
    assert_eq!(names(&all(&mut world, &owned(Some(4)))).len(), 25);
    let page = world.search(owned(Some(1))).expect("queried");
    assert_eq!(page.items[0].keys().collect::<Vec<_>>(), ["count", "owner", "shard"]);
    assert_eq!(page.last.expect("more").len(), 2);
    let scan = Search { index: Some(OWNERS.into()), limit: Some(9), ..scan("leases") };
    assert_eq!(names(&all(&mut world, &scan)).len(), 50, "the one without an owner is not in the index");
    let consistent = world.search(Search { is_consistent: true, ..owned(None) }).expect_err("of an index");
    assert!(consistent.message.contains("not supported on global secondary indexes"), "{consistent}");
}

#[test]
fn a_projection_shows_a_part() {
    let mut world = world();
    let projection = Some(Projection::parse("count", &Placeholders::default()).expect("parses"));
    let page = world.search(Search { projection, limit: Some(1), ..scan("leases") }).expect("scanned");
    assert_eq!(page.items[0].keys().collect::<Vec<_>>(), ["count"]);
}

#[test]
fn searches_that_cannot_be_are_told() {
    let mut world = world();
    let other = Some(item([("group", text("other")), ("at", number(1))]));
    let g = [(":g", text("g"))];
    for (search, why) in [
        (Search { index: Some("none".into()), ..scan("leases") }, "does not have the specified index: none"),
        (Search { start: Some(item([("owner", text("x"))])), ..scan("leases") }, "starting key is invalid"),
        (Search { start: other, ..query("states", "group = :g", &g) }, "outside query boundaries"),
        (query("states", "at = :g", &g), "missed key schema element: group"),
        (query("states", "group = :n", &[(":n", number(1))]), "does not match schema type"),
    ] {
        let error = world.search(search).expect_err(why);
        assert!(error.message.contains(why), "{error}");
    }
}
