//! The shapes of what the operations take in: read once from the table next to this file.

use regex::Regex;
use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

const TABLE: &str = include_str!("shapes.txt");
const BROKEN: &str = "the table of shapes is well-formed";

#[derive(Debug)]
pub(super) enum Shape {
    Text {
        length: Bounds,
        pattern: Option<Pattern>,
    },
    Enum(Vec<&'static str>),
    Integer(Bounds),
    Flag,
    Time,
    Blob(Bounds),
    List(Bounds, Arc<Self>),
    /// Of texts.
    Map(Bounds, Arc<Self>, Arc<Self>),
    Structure(Vec<Member>),
}

/// The least and the most, where there is such a limit.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bounds {
    pub(super) min: Option<i64>,
    pub(super) max: Option<i64>,
}

#[derive(Debug)]
pub(super) struct Pattern {
    /// As messages show it.
    pub(super) text: &'static str,
    whole: Regex,
}

impl Pattern {
    fn new(text: &'static str) -> Self {
        Self { text, whole: Regex::new(&format!("^(?:{text})$")).expect(BROKEN) }
    }

    /// Whether it describes the text from its beginning to its end.
    pub(super) fn fits(&self, text: &str) -> bool {
        self.whole.is_match(text)
    }
}

#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: &'static str,
    /// As messages show it: in Java a name begins with a small letter.
    pub(super) path: String,
    pub(super) needed: Needed,
    pub(super) shape: Arc<Shape>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needed {
    No,
    Always,
    /// Unless the stream is named by its ARN.
    WithoutArn,
    /// Unless the stream spreads its records.
    Placing,
}

static OPERATIONS: LazyLock<HashMap<&'static str, Shape>> = LazyLock::new(read);

/// What an operation takes in. None: there is no such operation.
pub(super) fn of_operation(name: &str) -> Option<&'static Shape> {
    OPERATIONS.get(name)
}

/// The names of all operations.
#[cfg(test)]
pub(super) fn operations() -> impl Iterator<Item = &'static str> {
    OPERATIONS.keys().copied()
}

fn read() -> HashMap<&'static str, Shape> {
    let lines = || TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut known = HashMap::new();
    for line in lines().filter(|line| !line.starts_with("operation ")) {
        let name = line.split(' ').nth(1).expect(BROKEN);
        known.insert(name, Row { line, made: None });
    }
    let mut operations = HashMap::new();
    for line in lines() {
        if let Some(rest) = line.strip_prefix("operation ") {
            let (name, members) = rest.split_once(' ').unwrap_or((rest, ""));
            operations.insert(name, structure(&mut known, members));
        }
    }
    operations
}

/// A line of the table, and what it became.
struct Row {
    line: &'static str,
    made: Option<Arc<Shape>>,
}

type Rows = HashMap<&'static str, Row>;

/// The shape of that name, made when it is needed first.
fn shape(known: &mut Rows, name: &str) -> Arc<Shape> {
    let row = known.get(name).expect(BROKEN);
    if let Some(made) = &row.made {
        return made.clone();
    }
    let made = Arc::new(make(known, row.line));
    if let Some(row) = known.get_mut(name) {
        row.made = Some(made.clone());
    }
    made
}

fn make(known: &mut Rows, line: &'static str) -> Shape {
    let mut words = line.splitn(3, ' ');
    let (kind, _, rest) = (words.next().expect(BROKEN), words.next(), words.next().unwrap_or_default());
    let (bounds, rest) = bounds(rest);
    let mut parts = rest.split(' ');
    let mut part = || parts.next().expect(BROKEN);
    match kind {
        "string" => Shape::Text { length: bounds, pattern: (!rest.is_empty()).then(|| Pattern::new(rest)) },
        "enum" => Shape::Enum(rest.split(' ').collect()),
        "integer" => Shape::Integer(bounds),
        "boolean" => Shape::Flag,
        "timestamp" => Shape::Time,
        "blob" => Shape::Blob(bounds),
        "list" => Shape::List(bounds, shape(known, part())),
        "map" => {
            let (key, value) = (part(), part());
            Shape::Map(bounds, shape(known, key), shape(known, value))
        }
        "structure" => structure(known, rest),
        _ => unreachable!("{BROKEN}: {line}"),
    }
}

fn structure(known: &mut Rows, members: &'static str) -> Shape {
    let words = members.split(' ').filter(|word| !word.is_empty());
    Shape::Structure(words.map(|word| member(known, word)).collect())
}

fn member(known: &mut Rows, word: &'static str) -> Member {
    let (name, of) = word.split_once(':').expect(BROKEN);
    let marks = [('!', Needed::Always), ('?', Needed::WithoutArn), ('~', Needed::Placing)];
    let marked = marks.into_iter().find_map(|(mark, needed)| Some((name.strip_suffix(mark)?, needed)));
    let (name, needed) = marked.unwrap_or((name, Needed::No));
    let mut letters = name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    let path = first.into_iter().chain(letters).collect();
    Member { name, path, needed, shape: shape(known, of) }
}

/// Bounds at the beginning of a line's rest, if it has some, and what follows.
fn bounds(rest: &'static str) -> (Bounds, &'static str) {
    let (first, after) = rest.split_once(' ').unwrap_or((rest, ""));
    let Some((min, max)) = first.split_once("..") else { return (Bounds::default(), rest) };
    (Bounds { min: min.parse().ok(), max: max.parse().ok() }, after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_reads_back() {
        let Some(Shape::Structure(members)) = of_operation("PutRecords") else { panic!("no structure") };
        let records = members.iter().find(|member| member.name == "Records").expect("there");
        assert_eq!((records.path.as_str(), records.needed), ("records", Needed::Always));
        let Shape::List(bounds, record) = records.shape.as_ref() else { panic!("no list") };
        assert_eq!((bounds.min, bounds.max), (Some(1), Some(500)));
        let Shape::Structure(members) = record.as_ref() else { panic!("no structure") };
        let key = members.iter().find(|member| member.name == "ExplicitHashKey").expect("there");
        let Shape::Text { pattern: Some(pattern), .. } = key.shape.as_ref() else { panic!("no text") };
        assert!(
            pattern.fits("0") && pattern.fits("12") && !pattern.fits("01") && !pattern.fits("") && !pattern.fits("-1")
        );
        assert!(of_operation("NoSuchThing").is_none());
        assert_eq!(operations().count(), 57);
    }
}
