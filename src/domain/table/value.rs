//! Attribute values, and what the rules ask of them: type, size, depth, order.

use super::{error::TableError, number::Number};
use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// Lists and maps inside of each other.
pub const DEPTH_MAX: usize = 32;
/// What each element of a list or a map adds to its size, and the list or map itself.
const ELEMENT_BYTES: usize = 1;
const CONTAINER_BYTES: usize = 3;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Text(String),
    Number(Number),
    Bytes(Vec<u8>),
    Flag(bool),
    Null,
    Map(BTreeMap<String, Self>),
    List(Vec<Self>),
    Texts(BTreeSet<String>),
    Numbers(BTreeSet<Number>),
    ByteSet(BTreeSet<Vec<u8>>),
}

/// An item, or the attributes of its key.
pub type Item = BTreeMap<String, Value>;

/// A type of attribute by its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    S,
    N,
    B,
    Bool,
    Null,
    M,
    L,
    Ss,
    Ns,
    Bs,
}

impl Type {
    const ALL: [(Self, &'static str); 10] = [
        (Self::S, "S"),
        (Self::N, "N"),
        (Self::B, "B"),
        (Self::Bool, "BOOL"),
        (Self::Null, "NULL"),
        (Self::M, "M"),
        (Self::L, "L"),
        (Self::Ss, "SS"),
        (Self::Ns, "NS"),
        (Self::Bs, "BS"),
    ];

    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known)| *known == code).map(|(found, _)| found)
    }

    pub fn code(self) -> &'static str {
        Self::ALL.into_iter().find(|(known, _)| *known == self).map_or("", |(_, code)| code)
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Value {
    pub fn kind(&self) -> Type {
        match self {
            Self::Text(_) => Type::S,
            Self::Number(_) => Type::N,
            Self::Bytes(_) => Type::B,
            Self::Flag(_) => Type::Bool,
            Self::Null => Type::Null,
            Self::Map(_) => Type::M,
            Self::List(_) => Type::L,
            Self::Texts(_) => Type::Ss,
            Self::Numbers(_) => Type::Ns,
            Self::ByteSet(_) => Type::Bs,
        }
    }

    /// Bytes as the limit of an item counts them.
    pub fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Number(number) => number.size(),
            Self::Bytes(bytes) => bytes.len(),
            Self::Flag(_) | Self::Null => 1,
            Self::Map(map) => CONTAINER_BYTES + item_size(map) + ELEMENT_BYTES * map.len(),
            Self::List(list) => CONTAINER_BYTES + list.iter().map(|value| value.size() + ELEMENT_BYTES).sum::<usize>(),
            Self::Texts(set) => set.iter().map(String::len).sum(),
            Self::Numbers(set) => set.iter().map(|number| number.size()).sum(),
            Self::ByteSet(set) => set.iter().map(Vec::len).sum(),
        }
    }

    /// What `size(path)` says of it; `None` for a type that has none.
    pub fn length(&self) -> Option<usize> {
        match self {
            Self::Text(text) => Some(text.chars().count()),
            Self::Bytes(bytes) => Some(bytes.len()),
            Self::Map(map) => Some(map.len()),
            Self::List(list) => Some(list.len()),
            Self::Texts(set) => Some(set.len()),
            Self::Numbers(set) => Some(set.len()),
            Self::ByteSet(set) => Some(set.len()),
            Self::Number(_) | Self::Flag(_) | Self::Null => None,
        }
    }

    /// The order of two texts, numbers or strings of bytes; other types, and two unlike ones, have none.
    pub fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Text(one), Self::Text(two)) => Some(one.as_bytes().cmp(two.as_bytes())),
            (Self::Number(one), Self::Number(two)) => Some(one.cmp(two)),
            (Self::Bytes(one), Self::Bytes(two)) => Some(one.cmp(two)),
            _ => None,
        }
    }

    pub fn begins_with(&self, prefix: &Self) -> bool {
        match (self, prefix) {
            (Self::Text(text), Self::Text(prefix)) => text.starts_with(prefix.as_str()),
            (Self::Bytes(bytes), Self::Bytes(prefix)) => bytes.starts_with(prefix),
            _ => false,
        }
    }

    /// Whether `part` stands in the text or the bytes, or is an element.
    pub fn contains(&self, part: &Self) -> bool {
        match (self, part) {
            (Self::Text(text), Self::Text(part)) => text.contains(part.as_str()),
            (Self::Bytes(bytes), Self::Bytes(part)) => {
                part.is_empty() || bytes.windows(part.len()).any(|window| window == part)
            }
            (Self::Texts(set), Self::Text(part)) => set.contains(part),
            (Self::Numbers(set), Self::Number(part)) => set.contains(part),
            (Self::ByteSet(set), Self::Bytes(part)) => set.contains(part),
            (Self::List(list), part) => list.contains(part),
            _ => false,
        }
    }

    /// How many lists and maps stand inside of each other.
    fn depth(&self) -> usize {
        match self {
            Self::Map(map) => 1 + map.values().map(Self::depth).max().unwrap_or(0),
            Self::List(list) => 1 + list.iter().map(Self::depth).max().unwrap_or(0),
            Self::Text(_)
            | Self::Number(_)
            | Self::Bytes(_)
            | Self::Flag(_)
            | Self::Null
            | Self::Texts(_)
            | Self::Numbers(_)
            | Self::ByteSet(_) => 0,
        }
    }
}

/// Bytes of names and values.
pub fn item_size(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value.size()).sum()
}

/// # Errors
///
/// Lists and maps stand deeper inside of each other than is stored.
pub fn check_depth(item: &Item) -> Result<(), TableError> {
    if item.values().any(|value| value.depth() > DEPTH_MAX) {
        return Err(TableError::invalid("Nesting Levels have exceeded supported limits"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    #[test]
    fn every_type_has_a_code() {
        for (kind, code) in Type::ALL {
            assert_eq!((Type::parse(code), kind.code()), (Some(kind), code));
        }
        assert_eq!(Type::parse("s"), None);
    }

    #[test]
    fn sizes_count_names_and_values() {
        let list = Value::List(vec![text("ab"), Value::Null]);
        let item = Item::from([("n".into(), Value::Number(1234.into())), ("list".into(), list.clone())]);
        assert_eq!(list.size(), 3 + 3 + 2);
        assert_eq!(item_size(&item), 1 + 3 + 4 + list.size());
        assert_eq!((list.length(), text("grün").length(), Value::Null.length()), (Some(2), Some(4), None));
    }

    #[test]
    fn only_like_scalars_have_an_order() {
        assert_eq!(text("a").order(&text("b")), Some(Ordering::Less));
        assert_eq!(Value::Number(9.into()).order(&Value::Number(10.into())), Some(Ordering::Less));
        assert_eq!(text("9").order(&Value::Number(10.into())), None);
        assert_eq!(Value::Flag(true).order(&Value::Flag(false)), None);
    }

    #[test]
    fn parts_are_found() {
        let set = Value::Texts(["a".to_owned()].into());
        assert!(set.contains(&text("a")) && !set.contains(&text("b")) && !set.contains(&Value::Null));
        assert!(text("shard-1").contains(&text("d-1")) && text("shard-1").begins_with(&text("shard")));
        assert!(Value::Bytes(b"abc".to_vec()).contains(&Value::Bytes(b"bc".to_vec())));
        assert!(Value::List(vec![Value::Null]).contains(&Value::Null));
        assert!(!Value::Number(12.into()).contains(&Value::Number(1.into())));
    }

    #[test]
    fn depth_has_a_limit() {
        let nested = |depth| (0..depth).fold(Value::Null, |inner, _| Value::List(vec![inner]));
        assert!(check_depth(&Item::from([("a".into(), nested(DEPTH_MAX))])).is_ok());
        assert!(check_depth(&Item::from([("a".into(), nested(DEPTH_MAX + 1))])).is_err());
    }
}
