//! Expressions on one item.

use super::{
    condition::Condition,
    key::KeyCondition,
    legacy::{self, Change, Expectation},
    placeholders::Placeholders,
    projection::Projection,
    update::Update,
};
use crate::domain::table::{
    error::TableError,
    schema::KeySchema,
    value::{Item, Value},
};
use proptest::prelude::*;

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn number(number: &str) -> Value {
    Value::Number(number.parse().expect("a number"))
}

fn item() -> Item {
    let shard = Item::from([("owner".into(), text("w1")), ("free".into(), Value::Null)]);
    Item::from([
        ("key".into(), text("shard-1")),
        ("counter".into(), number("7")),
        ("owner".into(), text("w1")),
        ("set".into(), Value::Texts(["a".to_owned(), "b".to_owned()].into())),
        ("list".into(), Value::List(vec![number("1"), number("2"), number("3")])),
        ("shards".into(), Value::Map(Item::from([("s1".into(), Value::Map(shard))]))),
    ])
}

fn placeholders() -> Placeholders {
    let names = [("#c", "counter"), ("#s", "shards"), ("#0", "s1"), ("#o", "owner"), ("#f", "free")];
    let values = [
        (":one", number("1")),
        (":seven", number("7.0")),
        (":w1", text("w1")),
        (":w2", text("w2")),
        (":null", Value::Null),
        (":set", Value::Texts(["a".to_owned(), "c".to_owned()].into())),
        (":list", Value::List(vec![text("x")])),
        (":type", text("N")),
        (":shard", text("shard")),
    ];
    Placeholders::new(
        names.into_iter().map(|(name, stands)| (name.to_owned(), stands.to_owned())).collect(),
        values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
    )
}

fn holds(text: &str) -> bool {
    let condition = Condition::parse("ConditionExpression", text, &placeholders());
    condition.unwrap_or_else(|error| panic!("{text}: {error}")).holds(&item())
}

fn updated(text: &str) -> Result<Item, TableError> {
    Update::parse(text, &placeholders())?.apply(&item())
}

#[test]
fn conditions_hold_or_not() {
    for yes in [
        "#c = :seven",
        "counter <> :one AND NOT counter < :one",
        "#c BETWEEN :one AND :seven",
        "owner IN (:w2, :w1)",
        "attribute_exists(#s.#0.#f) and attribute_not_exists(#s.s2)",
        "#s.#0.#f = :null",
        "attribute_type(#c, :type)",
        "begins_with(key, :shard)",
        "contains(key, :shard) AND contains(list, :one)",
        "size(list) > :one AND size(#s.#0) >= :one",
        "nothing <> :one",
        "(owner = :w2 OR owner = :w1) AND (#c >= :seven)",
        "owner = :w1 OR nothing = :one AND nothing = :one",
        "list[0] = :one",
        "NOT (owner = :w2)",
        "owner = #s.#0.owner",
    ] {
        assert!(holds(yes), "{yes}");
    }
    for no in ["#c = :w1", "#c < :w1", "nothing = :null", "nothing < :one", "size(#c) = :one", "owner IN (:w2)"] {
        assert!(!holds(no), "{no}");
    }
}

#[test]
fn what_is_no_condition_is_told() {
    let long = format!("{}owner = :w1{}", "(".repeat(200), ")".repeat(200));
    for (bad, why) in [
        ("", "Invalid ConditionExpression: The expression can not be empty;"),
        ("owner", "Syntax error; token: \"<EOF>\""),
        ("owner = :w1 :w2", "Syntax error; token: \":w2\""),
        ("owner = $", "Syntax error; token: \"$\""),
        ("#x = :w1", "used in the document path is not defined; attribute name: #x"),
        ("owner = :x", "used in expression is not defined; attribute value: :x"),
        ("size(owner)", "Syntax error"),
        ("exists(owner)", "Invalid function name; function: exists"),
        ("list_append(list, :list) = :list", "not allowed to be used this way"),
        (&long, "nested deeper"),
    ] {
        let error = Condition::parse("ConditionExpression", bad, &placeholders()).expect_err(bad);
        assert!(error.message.starts_with("Invalid ConditionExpression: "), "{error}");
        assert!(error.message.contains(why), "{bad}: {error}");
    }
}

#[test]
fn unused_placeholders_are_told() {
    let placeholders = Placeholders::new([("#a".into(), "a".into())].into(), [(":v".into(), Value::Null)].into());
    let message = placeholders.finish().expect_err("unused").message;
    assert_eq!(message, "Value provided in ExpressionAttributeNames unused in expressions: keys: {#a}");
    Condition::parse("FilterExpression", "#a = :v", &placeholders).expect("a condition");
    assert_eq!(placeholders.finish(), Ok(()));
}

#[test]
fn updates_look_at_the_item_as_it_was() {
    let after = updated(
        "SET #c = #c + :one, before = #c, #s.#0.#o = :w2, fresh = if_not_exists(fresh, :one), \
         kept = if_not_exists(owner, :w2), list = list_append(list, :list) REMOVE #s.#0.#f, nothing \
         ADD total :seven DELETE set :set",
    )
    .expect("updated");
    assert_eq!((&after["counter"], &after["before"]), (&number("8"), &number("7")));
    assert_eq!(after["shards"], Value::Map([("s1".into(), Value::Map([("owner".into(), text("w2"))].into()))].into()));
    assert_eq!((&after["fresh"], &after["kept"], &after["total"]), (&number("1"), &text("w1"), &number("7")));
    assert_eq!(after["list"].length(), Some(4));
    assert_eq!(after["set"], Value::Texts(["b".to_owned()].into()));
}

#[test]
fn lists_are_changed_by_their_old_numbers() {
    let after = updated("REMOVE list[0], list[2]").expect("updated");
    assert_eq!(after["list"], Value::List(vec![number("2")]));
    let after = updated("SET list[7] = :w1, list[5] = :w2, list[0] = :null").expect("updated");
    let expected = vec![Value::Null, number("2"), number("3"), text("w2"), text("w1")];
    assert_eq!(after["list"], Value::List(expected));
    assert_eq!(updated("REMOVE list[9]").expect("updated"), item());
}

#[test]
fn sets_and_numbers_are_added_to() {
    let after = updated("ADD set :set, #c :seven, fresh :set").expect("updated");
    assert_eq!((after["set"].length(), &after["counter"]), (Some(3), &number("14")));
    let all = Placeholders::new([].into(), [(":all".into(), item()["set"].clone())].into());
    let emptied = Update::parse("DELETE set :all", &all).expect("parses").apply(&item()).expect("applies");
    assert!(!emptied.contains_key("set"), "a set is never empty");
}

#[test]
fn updates_that_cannot_be_are_told() {
    for (bad, why) in [
        ("SET owner = owner + :one", "incorrect data type"),
        ("ADD owner :one", "incorrect data type"),
        ("SET a = nothing", "does not exist in the item"),
        ("SET nothing.a = :one", "The document path provided in the update expression is invalid for update"),
        ("REMOVE nothing.a", "invalid for update"),
        ("SET #s = :null, #s.#0 = :null", "paths overlap with each other"),
        ("SET a = :one, a = :one", "path one: [a], path two: [a]"),
        ("SET l.a = :one, l[0] = :one", "paths conflict with each other"),
        ("SET a = :one SET b = :one", "The \"SET\" section can only be used once"),
        ("ADD a :w1", "operator: ADD, operand type: S"),
        ("DELETE a :one", "operator: DELETE, operand type: N"),
        ("SET a = size(list)", "not allowed to be used this way"),
        ("INCREASE a", "Syntax error"),
    ] {
        let error = updated(bad).expect_err(bad);
        assert!(error.message.contains(why), "{bad}: {error}");
    }
}

#[test]
fn a_projection_has_what_it_names() {
    let projection = Projection::parse("#s.#0.#o, #c, nothing", &placeholders()).expect("parses");
    let part = projection.of(&item());
    assert_eq!(part.len(), 2);
    assert_eq!(part["shards"], Value::Map([("s1".into(), Value::Map([("owner".into(), text("w1"))].into()))].into()));
    let error = Projection::parse("#s, #s.#0", &placeholders()).expect_err("overlap");
    assert!(error.message.starts_with("Invalid ProjectionExpression: Two document paths overlap"), "{error}");
}

#[test]
fn key_conditions_name_the_key() {
    let key = KeySchema { hash: "owner".into(), range: Some("key".into()) };
    let read = |text: &str| {
        let condition = Condition::parse("KeyConditionExpression", text, &placeholders()).expect("a condition");
        KeyCondition::of(&condition, &key)
    };
    let found = read("begins_with(key, :shard) AND owner = :w1").expect("a key");
    assert_eq!(found.hash, text("w1"));
    assert!(found.fits(&item()));
    assert!(!read("owner = :w1 AND key > :w1").expect("a key").fits(&item()));
    for (bad, why) in [
        ("key = :shard", "Query condition missed key schema element: owner"),
        ("owner > :w1", "Query key condition not supported"),
        ("owner = :w1 AND #c = :one", "missed key schema element: key"),
        ("owner = :w1 OR key = :w1", "Invalid operator used in KeyConditionExpression"),
        ("owner = :w1 AND owner = :w1", "one condition per key"),
        ("owner = :w1 AND key <> :w1", "not supported"),
    ] {
        let error = read(bad).expect_err(bad);
        assert!(error.message.contains(why), "{bad}: {error}");
    }
}

#[test]
fn expectations_are_conditions() {
    let of = |name: &str, value, exists| Expectation { name: name.into(), value, exists, comparison: None };
    let holds =
        |expectations: Vec<_>, any| legacy::expected(expectations, any).map(|c| c.expect("some").holds(&item()));
    assert_eq!(holds(vec![of("counter", Some(number("7")), None)], false), Ok(true));
    assert_eq!(holds(vec![of("counter", Some(number("8")), Some(true))], false), Ok(false));
    assert_eq!(holds(vec![of("key", None, Some(false))], false), Ok(false));
    let mixed = || vec![of("nothing", None, Some(false)), of("owner", Some(text("w2")), None)];
    assert_eq!((holds(mixed(), false), holds(mixed(), true)), (Ok(false), Ok(true)));
    let by = |operator: &str, values| Expectation {
        comparison: Some((operator.into(), values)),
        ..of("counter", None, None)
    };
    for (operator, values) in [
        ("EQ", vec![number("7")]),
        ("NE", vec![number("8")]),
        ("BETWEEN", vec![number("1"), number("9")]),
        ("IN", vec![text("x"), number("7")]),
        ("NOT_NULL", vec![]),
        ("NOT_CONTAINS", vec![number("7")]),
        ("LE", vec![number("7")]),
    ] {
        assert_eq!(holds(vec![by(operator, values)], false), Ok(true), "{operator}");
    }
    assert!(holds(vec![of("a", Some(Value::Null), Some(false))], false).is_err());
    assert!(holds(vec![of("a", None, None)], false).is_err());
    assert!(holds(vec![by("BETWEEN", vec![Value::Null])], false).is_err());
    assert_eq!(legacy::expected(Vec::new(), false), Ok(None));
}

#[test]
fn attribute_updates_are_updates() {
    let change = |name: &str, action: &str, value| Change { name: name.into(), action: action.into(), value };
    let update = legacy::updates(vec![
        change("owner", "PUT", Some(text("w2"))),
        change("counter", "ADD", Some(number("1"))),
        change("switches", "ADD", Some(number("1"))),
        change("list", "ADD", Some(Value::List(vec![Value::Null]))),
        change("shards", "DELETE", None),
        change("set", "DELETE", Some(Value::Texts(["a".to_owned()].into()))),
    ]);
    let after = update.expect("an update").apply(&item()).expect("applies");
    assert_eq!((&after["owner"], &after["counter"], &after["switches"]), (&text("w2"), &number("8"), &number("1")));
    assert_eq!((after["list"].length(), after.contains_key("shards")), (Some(4), false));
    assert_eq!(after["set"], Value::Texts(["b".to_owned()].into()));
    for bad in [change("a", "PUT", None), change("a", "ADD", Some(text("x"))), change("a", "DROP", None)] {
        assert!(legacy::updates(vec![bad]).is_err());
    }
}

const WORDS: [&str; 40] = [
    "a",
    "#c",
    "#s",
    "#0",
    ":one",
    ":w1",
    ":list",
    ":set",
    "=",
    "<>",
    "<",
    ">=",
    "(",
    ")",
    "[",
    "]",
    "0",
    "99",
    ",",
    ".",
    "+",
    "-",
    "AND",
    "OR",
    "NOT",
    "BETWEEN",
    "IN",
    "SET",
    "REMOVE",
    "ADD",
    "DELETE",
    "attribute_exists",
    "attribute_type",
    "begins_with",
    "contains",
    "size",
    "if_not_exists",
    "list_append",
    "list",
    "counter",
];

proptest! {
    #[test]
    fn whatever_is_written_is_an_expression_or_an_error(words in prop::collection::vec(prop::sample::select(&WORDS[..]), 0..14)) {
        let text = words.join(" ");
        let placeholders = placeholders();
        if let Ok(condition) = Condition::parse("ConditionExpression", &text, &placeholders) {
            condition.holds(&item());
        }
        if let Ok(projection) = Projection::parse(&text, &placeholders) {
            prop_assert!(projection.of(&item()).len() <= item().len());
        }
        for clause in ["", "SET list = ", "REMOVE "] {
            if let Ok(Ok(after)) = Update::parse(&format!("{clause}{text}"), &placeholders).map(|update| update.apply(&item())) {
                prop_assert!(after.contains_key("key") || text.contains("key"));
            }
        }
    }
}
