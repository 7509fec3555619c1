//! Where a value stands in an item: `shards.#id[2].owner`, with the names that placeholders stood for.

use super::value::{Item, Value};
use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    Name(String),
    Index(usize),
}

/// A name, and steps from its value on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path {
    pub name: String,
    pub steps: Vec<Step>,
}

/// The path leads through something that is neither a list nor a map, or is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoPlace;

impl From<&str> for Path {
    fn from(name: &str) -> Self {
        Self { name: name.to_owned(), steps: Vec::new() }
    }
}

/// As messages about overlaps show it.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}", self.name)?;
        for step in &self.steps {
            match step {
                Step::Name(name) => write!(f, ", {name}")?,
                Step::Index(index) => write!(f, ", [{index}]")?,
            }
        }
        f.write_str("]")
    }
}

impl Path {
    pub fn is_nested(&self) -> bool {
        !self.steps.is_empty()
    }

    /// Whether one of both stands inside of the other, or they are equal.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.name == other.name && self.steps.iter().zip(&other.steps).all(|(one, two)| one == two)
    }

    /// Whether both lead into one value, which one takes for a list and the other for a map.
    pub fn conflicts(&self, other: &Self) -> bool {
        if self.name != other.name {
            return false;
        }
        let mut pairs = self.steps.iter().zip(&other.steps).skip_while(|(one, two)| one == two);
        matches!(pairs.next(), Some((Step::Name(_), Step::Index(_)) | (Step::Index(_), Step::Name(_))))
    }

    pub fn find<'i>(&self, item: &'i Item) -> Option<&'i Value> {
        self.steps.iter().try_fold(item.get(&self.name)?, |value, step| match (value, step) {
            (Value::Map(map), Step::Name(name)) => map.get(name),
            (Value::List(list), Step::Index(index)) => list.get(*index),
            _ => None,
        })
    }

    /// Puts a value there; behind the end of a list it becomes the last element.
    pub fn set(&self, item: &mut Item, new: Value) -> Result<(), NoPlace> {
        let Some((last, before)) = self.steps.split_last() else {
            item.insert(self.name.clone(), new);
            return Ok(());
        };
        match (self.holder(item, before)?, last) {
            (Value::Map(map), Step::Name(name)) => {
                map.insert(name.clone(), new);
            }
            (Value::List(list), Step::Index(index)) => match list.get_mut(*index) {
                Some(element) => *element = new,
                None => list.push(new),
            },
            _ => return Err(NoPlace),
        }
        Ok(())
    }

    /// Takes what stands there away. Nothing there is fine, nowhere to look is not.
    pub fn remove(&self, item: &mut Item) -> Result<(), NoPlace> {
        let Some((last, before)) = self.steps.split_last() else {
            item.remove(&self.name);
            return Ok(());
        };
        match (self.holder(item, before)?, last) {
            (Value::Map(map), Step::Name(name)) => {
                map.remove(name);
            }
            (Value::List(list), Step::Index(index)) => {
                if *index < list.len() {
                    list.remove(*index);
                }
            }
            _ => return Err(NoPlace),
        }
        Ok(())
    }

    /// The list or map that the last step leads into.
    fn holder<'i>(&self, item: &'i mut Item, before: &[Step]) -> Result<&'i mut Value, NoPlace> {
        let first = item.get_mut(&self.name).ok_or(NoPlace)?;
        before.iter().try_fold(first, |value, step| match (value, step) {
            (Value::Map(map), Step::Name(name)) => map.get_mut(name).ok_or(NoPlace),
            (Value::List(list), Step::Index(index)) => list.get_mut(*index).ok_or(NoPlace),
            _ => Err(NoPlace),
        })
    }

    /// Copies what stands there into `part` with the structure around it. Elements of lists move together.
    pub fn project(&self, item: &Item, part: &mut Item) {
        let Some(found) = self.find(item) else { return };
        let Some((first, rest)) = self.steps.split_first() else {
            part.insert(self.name.clone(), found.clone());
            return;
        };
        let place = part.entry(self.name.clone()).or_insert_with(|| shell(first));
        graft(place, first, rest, found);
    }
}

/// What a step leads into.
fn shell(step: &Step) -> Value {
    match step {
        Step::Name(_) => Value::Map(Item::new()),
        Step::Index(_) => Value::List(Vec::new()),
    }
}

fn graft(place: &mut Value, step: &Step, rest: &[Step], found: &Value) {
    let fresh = || rest.first().map_or_else(|| found.clone(), shell);
    let inner = match (place, step) {
        (Value::Map(map), Step::Name(name)) => Some(map.entry(name.clone()).or_insert_with(fresh)),
        (Value::List(list), Step::Index(_)) => {
            list.push(fresh());
            list.last_mut()
        }
        _ => None,
    };
    if let (Some(inner), Some((next, rest))) = (inner, rest.split_first()) {
        graft(inner, next, rest, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str, steps: &[&str]) -> Path {
        let step = |text: &&str| text.parse().map_or_else(|_| Step::Name((*text).to_owned()), Step::Index);
        Path { name: name.to_owned(), steps: steps.iter().map(step).collect() }
    }

    fn item() -> Item {
        let shard = Item::from([("owner".into(), Value::Null)]);
        let shards = Item::from([("s1".into(), Value::Map(shard))]);
        let list = vec![Value::Flag(true), Value::Flag(false), Value::Null];
        Item::from([("shards".into(), Value::Map(shards)), ("list".into(), Value::List(list))])
    }

    #[test]
    fn values_are_found_set_and_removed_at_depth() {
        let mut item = item();
        let owner = path("shards", &["s1", "owner"]);
        assert_eq!(owner.find(&item), Some(&Value::Null));
        owner.set(&mut item, Value::Flag(true)).expect("a place");
        assert_eq!(owner.find(&item), Some(&Value::Flag(true)));
        owner.remove(&mut item).expect("a place");
        assert_eq!(owner.find(&item), None);
        owner.remove(&mut item).expect("nothing there is fine");
        assert_eq!(path("shards", &["s2", "owner"]).set(&mut item, Value::Null), Err(NoPlace));
        assert_eq!(path("shards", &["0"]).set(&mut item, Value::Null), Err(NoPlace));
        assert_eq!(path("none", &["a"]).remove(&mut item), Err(NoPlace));
    }

    #[test]
    fn a_list_grows_only_at_its_end() {
        let mut item = item();
        path("list", &["9"]).set(&mut item, Value::Text("new".into())).expect("a place");
        assert_eq!(path("list", &["3"]).find(&item), Some(&Value::Text("new".into())));
        path("list", &["0"]).remove(&mut item).expect("a place");
        assert_eq!(path("list", &["0"]).find(&item), Some(&Value::Flag(false)));
    }

    #[test]
    fn overlaps_and_conflicts_are_seen() {
        let (whole, part, other) = (path("a", &["b"]), path("a", &["b", "c"]), path("a", &["d"]));
        assert!(whole.overlaps(&part) && part.overlaps(&whole) && whole.overlaps(&whole));
        assert!(!part.overlaps(&other) && !path("b", &[]).overlaps(&path("a", &[])));
        assert!(path("a", &["b"]).conflicts(&path("a", &["0"])) && !whole.conflicts(&other));
        assert_eq!(path("a", &["b", "0"]).to_string(), "[a, b, [0]]");
    }

    #[test]
    fn a_projection_keeps_the_structure_around_a_value() {
        let mut part = Item::new();
        for path in [path("shards", &["s1", "owner"]), path("list", &["0"]), path("list", &["2"]), path("none", &[])] {
            path.project(&item(), &mut part);
        }
        let list = Value::List(vec![Value::Flag(true), Value::Null]);
        assert_eq!(part, Item::from([("list".into(), list), ("shards".into(), item()["shards"].clone())]));
    }
}
