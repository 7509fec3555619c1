//! What a table is.

use super::{error::TableError, value::Type};
use crate::base::{name::Namespace, time::Timestamp};
use std::{collections::BTreeMap, fmt, sync::Arc};

/// A table for its whole life; never reused, also when a table of the same name is created again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId(pub u64);

/// 3 to 255 letters, digits, underscores, hyphens and dots.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName(Arc<str>);

impl TableName {
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (3..=255).contains(&text.len());
        let is_of_a_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        (fits && text.bytes().all(is_of_a_name)).then(|| Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A table's full name: nobody else's table, and none of another region, has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TablePath {
    pub namespace: Namespace,
    pub name: TableName,
}

impl fmt::Display for TablePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Namespace { account, region } = &self.namespace;
        write!(f, "arn:aws:dynamodb:{region}:{account}:table/{}", self.name)
    }
}

/// The names of the attributes that make up a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySchema {
    pub hash: String,
    pub range: Option<String>,
}

impl KeySchema {
    pub fn names(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.hash).chain(&self.range)
    }
}

/// What an index shows of an item besides the keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    All,
    Keys,
    Include(Vec<String>),
}

/// A second key over the same items; those without it are not in the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    pub name: String,
    pub key: KeySchema,
    pub shown: Shown,
    pub throughput: Option<Throughput>,
}

/// Reads and writes a second, as the client said it. Kept and shown; nothing is held to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Throughput {
    pub reads: u64,
    pub writes: u64,
}

/// Shared, never changed in place: a change makes a new one with a higher revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    pub id: TableId,
    pub path: TablePath,
    pub created: Timestamp,
    pub revision: u64,
    pub key: KeySchema,
    /// The types of the attributes of all keys: S, N or B.
    pub attributes: BTreeMap<String, Type>,
    pub indexes: Vec<Index>,
    /// `None`: by request.
    pub throughput: Option<Throughput>,
    pub tags: BTreeMap<String, String>,
    /// The attribute that holds the second an item ends at.
    pub expiry: Option<String>,
    /// What the client said of point-in-time recovery. Kept and shown; the broker's backups are its own.
    pub recovery: bool,
    /// The table cannot be deleted while this holds.
    pub is_protected: bool,
}

impl Definition {
    /// The index of that name.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn index(&self, name: &str) -> Result<&Index, TableError> {
        let found = self.indexes.iter().find(|index| index.name == name);
        found.ok_or_else(|| TableError::invalid(format!("The table does not have the specified index: {name}")))
    }

    pub fn type_of(&self, name: &str) -> Option<Type> {
        self.attributes.get(name).copied()
    }
}
