//! Where an item stands in its table and in its indexes.

use super::{
    error::TableError,
    number::Number,
    schema::{Definition, Index, KeySchema},
    value::{Item, Value},
};
use std::hash::{DefaultHasher, Hash, Hasher};

const HASH_BYTES_MAX: usize = 2048;
const RANGE_BYTES_MAX: usize = 1024;

/// The value of a key attribute.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    Text(String),
    Number(Number),
    Bytes(Vec<u8>),
}

impl Part {
    pub fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Text(text) => Some(Self::Text(text.clone())),
            Value::Number(number) => Some(Self::Number(*number)),
            Value::Bytes(bytes) => Some(Self::Bytes(bytes.clone())),
            Value::Flag(_)
            | Value::Null
            | Value::Map(_)
            | Value::List(_)
            | Value::Texts(_)
            | Value::Numbers(_)
            | Value::ByteSet(_) => None,
        }
    }

    pub fn to_value(&self) -> Value {
        match self {
            Self::Text(text) => Value::Text(text.clone()),
            Self::Number(number) => Value::Number(*number),
            Self::Bytes(bytes) => Value::Bytes(bytes.clone()),
        }
    }

    fn len(&self) -> Option<usize> {
        match self {
            Self::Text(text) => Some(text.len()),
            Self::Bytes(bytes) => Some(bytes.len()),
            Self::Number(_) => None,
        }
    }

    /// Where items with this hash key are, among all: they are spread evenly, so that parts of a scan are of like size.
    fn slot(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }
}

/// The key of one item.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    slot: u64,
    pub hash: Part,
    pub range: Option<Part>,
}

impl Key {
    pub fn new(hash: Part, range: Option<Part>) -> Self {
        Self { slot: hash.slot(), hash, range }
    }

    /// Before every key whose hash falls into a part of the whole, counted from zero.
    pub fn first_of(segment: u64, of: u64) -> Self {
        let slot = u128::from(segment) * (1 << 64) / u128::from(of.max(1));
        Self { slot: u64::try_from(slot).unwrap_or(u64::MAX), hash: Part::Text(String::new()), range: None }
    }

    /// Before every key with this hash key.
    pub fn first_with(hash: Part) -> Self {
        Self::new(hash, None)
    }

    pub fn is_in_segment(&self, segment: u64, of: u64) -> bool {
        (u128::from(self.slot) * u128::from(of.max(1))) >> 64 == u128::from(segment)
    }

    /// The attributes that make up the key.
    pub fn attributes(&self, schema: &KeySchema) -> Item {
        let hash = (schema.hash.clone(), self.hash.to_value());
        let range = schema.range.clone().zip(self.range.as_ref().map(Part::to_value));
        std::iter::once(hash).chain(range).collect()
    }

    /// The key of a whole item, whose key attributes must be there, of the right type, and neither empty nor too long.
    ///
    /// # Errors
    ///
    /// As said.
    pub fn of_item(definition: &Definition, item: &Item) -> Result<Self, TableError> {
        let part = |name: &String, most: usize| {
            let missing = || TableError::invalid_value(format!("Missing the key {name} in the item"));
            let value = item.get(name).ok_or_else(missing)?;
            let wanted = definition.type_of(name);
            if wanted != Some(value.kind()) {
                let (wanted, found) = (wanted.map_or("", |kind| kind.code()), value.kind());
                return Err(TableError::invalid_value(format!(
                    "Type mismatch for key {name} expected: {wanted} actual: {found}"
                )));
            }
            let part = Part::of(value).ok_or_else(missing)?;
            check_length(name, &part, most).map(|()| part)
        };
        let hash = part(&definition.key.hash, HASH_BYTES_MAX)?;
        let range = definition.key.range.as_ref().map(|name| part(name, RANGE_BYTES_MAX)).transpose()?;
        Ok(Self::new(hash, range))
    }

    /// The key that these attributes are, and nothing else.
    ///
    /// # Errors
    ///
    /// One is missing, one is too many, or a type is not the schema's.
    pub fn of_attributes(definition: &Definition, attributes: &Item) -> Result<Self, TableError> {
        let names: Vec<&String> = definition.key.names().collect();
        let fits =
            |name: &&String| attributes.get(*name).is_some_and(|value| definition.type_of(name) == Some(value.kind()));
        if attributes.len() != names.len() || !names.iter().all(fits) {
            return Err(TableError::invalid("The provided key element does not match the schema"));
        }
        Self::of_item(definition, attributes)
    }
}

fn check_length(name: &str, part: &Part, most: usize) -> Result<(), TableError> {
    match part.len() {
        Some(0) => {
            let kind = if matches!(part, Part::Text(_)) { "string" } else { "binary" };
            Err(TableError::invalid(format!(
                "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an \
                 empty {kind} value. Key: {name}"
            )))
        }
        Some(length) if length > most => {
            let which = if most == HASH_BYTES_MAX { "hashkey" } else { "rangekey" };
            Err(TableError::invalid_value(format!(
                "Size of {which} has exceeded the maximum size limit of{most} bytes"
            )))
        }
        _ => Ok(()),
    }
}

/// Where an item stands in an index: by the index's key, then by its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub key: Key,
    /// `None` stands before every item.
    pub own: Option<Key>,
}

impl Place {
    /// `None` for an item without the index's key: it is not in the index.
    ///
    /// # Errors
    ///
    /// A key attribute of the index has another type than the table says, or is empty.
    pub fn of(definition: &Definition, index: &Index, own: &Key, item: &Item) -> Result<Option<Self>, TableError> {
        let part = |name: &String| {
            let Some(value) = item.get(name) else { return Ok(None) };
            let wanted = definition.type_of(name);
            if wanted != Some(value.kind()) {
                let (wanted, found) = (wanted.map_or("", |kind| kind.code()), value.kind());
                return Err(TableError::invalid_value(format!(
                    "Type mismatch for Index Key {name} Expected: {wanted} Actual: {found} IndexName: {}",
                    index.name
                )));
            }
            let part = Part::of(value);
            if part.as_ref().is_some_and(|part| part.len() == Some(0)) {
                return Err(TableError::invalid(format!(
                    "One or more parameter values are not valid. A value specified for a secondary index key is not \
                     supported. The AttributeValue for a key attribute cannot contain an empty string value. \
                     IndexName: {}, IndexKey: {name}",
                    index.name
                )));
            }
            Ok(part)
        };
        let hash = part(&index.key.hash)?;
        let range = index.key.range.as_ref().map(part).transpose()?;
        Ok(match (hash, range) {
            (Some(hash), None) => Some(Self { key: Key::new(hash, None), own: Some(own.clone()) }),
            (Some(hash), Some(Some(range))) => Some(Self { key: Key::new(hash, Some(range)), own: Some(own.clone()) }),
            _ => None,
        })
    }
}
