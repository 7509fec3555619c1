//! The decisions about tables themselves.

use super::{
    error::{ErrorKind, TableError},
    schema::{Definition, Index, KeySchema, TablePath, Throughput},
    store::Table,
    tables::{Limits, Tables},
    value::Type,
};
use crate::base::{limits, time::Timestamp};
use std::collections::{BTreeMap, BTreeSet};

const INDEXES_MAX: usize = 20;

/// What a client says of a new table.
#[derive(Clone, Debug)]
pub struct Create {
    pub path: TablePath,
    pub key: KeySchema,
    pub attributes: BTreeMap<String, Type>,
    pub indexes: Vec<Index>,
    pub throughput: Option<Throughput>,
    pub tags: BTreeMap<String, String>,
    pub is_protected: bool,
}

/// A change of one table.
#[derive(Clone, Debug)]
pub enum Change {
    Update(Box<Update>),
    /// An attribute, and whether items end by it.
    Expiry(String, bool),
    Recovery(bool),
    Tag(BTreeMap<String, String>),
    Untag(Vec<String>),
}

#[derive(Clone, Debug, Default)]
pub struct Update {
    /// Of keys that indexes get; what is known stays.
    pub attributes: BTreeMap<String, Type>,
    pub new_indexes: Vec<Index>,
    pub removed_indexes: Vec<String>,
    /// By the name of the index.
    pub index_throughput: BTreeMap<String, Throughput>,
    /// The outer `None`: as it was; the inner: by request.
    pub throughput: Option<Option<Throughput>>,
    pub is_protected: Option<bool>,
}

impl Tables {
    pub(super) fn create(&self, now: Timestamp, create: &Create, limits: &Limits) -> Result<Definition, TableError> {
        let name = &create.path.name;
        if self.find(&create.path).is_some() {
            return Err(TableError::new(ErrorKind::InUse, format!("Table already exists: {name}")));
        }
        if limits.is_disk_full {
            return Err(TableError::new(ErrorKind::Full, "the disk is nearly full: no new table is accepted"));
        }
        if self.count() >= limits.tables {
            let most = limits.tables;
            let message = format!("There may be {most} tables: these tables are for leases only");
            return Err(TableError::new(ErrorKind::LimitExceeded, message));
        }
        check_tags(&create.tags)?;
        let definition = Definition {
            id: self.next_id(),
            path: create.path.clone(),
            created: now,
            revision: 1,
            key: create.key.clone(),
            attributes: create.attributes.clone(),
            indexes: create.indexes.clone(),
            throughput: create.throughput,
            tags: create.tags.clone(),
            expiry: None,
            recovery: false,
            is_protected: create.is_protected,
        };
        check_keys(&definition)?;
        Ok(definition)
    }

    /// The table as it is after the change.
    pub(super) fn change(&self, path: &TablePath, change: &Change) -> Result<Definition, TableError> {
        let table = match change {
            Change::Recovery(_) => self
                .find(path)
                .ok_or_else(|| TableError::new(ErrorKind::TableNotFound, format!("Table not found: {}", path.name)))?,
            Change::Update(_) | Change::Expiry(..) | Change::Tag(_) | Change::Untag(_) => self.described(path)?,
        };
        let mut changed = Definition::clone(&table.definition);
        match change {
            Change::Update(update) => apply_update(&mut changed, update)?,
            Change::Expiry(name, is_on) => apply_expiry(&mut changed, name, *is_on)?,
            Change::Recovery(is_on) => changed.recovery = *is_on,
            Change::Tag(tags) => {
                changed.tags.extend(tags.clone());
                check_tags(&changed.tags)?;
            }
            Change::Untag(keys) => changed.tags.retain(|key, _| !keys.contains(key)),
        }
        if changed != *table.definition {
            changed.revision += 1;
        }
        Ok(changed)
    }

    pub(super) fn removable(&self, path: &TablePath) -> Result<&Table, TableError> {
        let table = self.described(path)?;
        if table.definition.is_protected {
            return Err(TableError::invalid(
                "Resource cannot be deleted as it is currently protected against deletion. \
                 Disable deletion protection first.",
            ));
        }
        Ok(table)
    }
}

fn apply_update(definition: &mut Definition, update: &Update) -> Result<(), TableError> {
    for (name, kind) in &update.attributes {
        if definition.type_of(name).is_some_and(|known| known != *kind) {
            return Err(TableError::invalid_value(format!("Cannot change the type of attribute {name}")));
        }
        definition.attributes.insert(name.clone(), *kind);
    }
    for name in &update.removed_indexes {
        if definition.index(name).is_err() {
            return Err(TableError::not_found());
        }
        definition.indexes.retain(|index| index.name != *name);
    }
    for index in &update.new_indexes {
        if definition.index(&index.name).is_ok() {
            return Err(TableError::invalid("Attempting to create an index which already exists"));
        }
        definition.indexes.push(index.clone());
    }
    for (name, throughput) in &update.index_throughput {
        let index = definition.indexes.iter_mut().find(|index| index.name == *name);
        index.ok_or_else(TableError::not_found)?.throughput = Some(*throughput);
    }
    definition.throughput = update.throughput.unwrap_or(definition.throughput);
    definition.is_protected = update.is_protected.unwrap_or(definition.is_protected);
    let keys = key_names(definition);
    definition.attributes.retain(|name, _| keys.contains(name));
    check_keys(definition)
}

fn apply_expiry(definition: &mut Definition, name: &str, is_on: bool) -> Result<(), TableError> {
    match (&definition.expiry, is_on) {
        (Some(known), true) if known == name => Err(TableError::invalid("TimeToLive is already enabled")),
        (Some(_), true) => Err(TableError::invalid(
            "TimeToLive is active on a different AttributeName: disable it before it is enabled on another",
        )),
        (None, false) => Err(TableError::invalid("TimeToLive is already disabled")),
        _ => {
            definition.expiry = is_on.then(|| name.to_owned());
            Ok(())
        }
    }
}

fn key_names(definition: &Definition) -> BTreeSet<String> {
    let keys = std::iter::once(&definition.key).chain(definition.indexes.iter().map(|index| &index.key));
    keys.flat_map(KeySchema::names).cloned().collect()
}

/// Every key attribute has a type that keys can have, and there is no other attribute.
fn check_keys(definition: &Definition) -> Result<(), TableError> {
    let wanted = key_names(definition);
    let missing: Vec<&str> =
        wanted.iter().filter(|name| definition.type_of(name).is_none()).map(String::as_str).collect();
    if !missing.is_empty() {
        let known: Vec<&str> = definition.attributes.keys().map(String::as_str).collect();
        return Err(TableError::invalid_value(format!(
            "Some index key attributes are not defined in AttributeDefinitions. Keys: [{}], AttributeDefinitions: [{}]",
            missing.join(", "),
            known.join(", ")
        )));
    }
    if definition.attributes.len() > wanted.len() {
        return Err(TableError::invalid_value(
            "Number of attributes in KeySchema does not exactly match number of attributes defined in \
             AttributeDefinitions",
        ));
    }
    if definition.attributes.values().any(|kind| !matches!(kind, Type::S | Type::N | Type::B)) {
        return Err(TableError::invalid_value("A key attribute has one of the types B, N, S"));
    }
    let keys = std::iter::once(&definition.key).chain(definition.indexes.iter().map(|index| &index.key));
    if keys.into_iter().any(|key| key.range.as_ref() == Some(&key.hash)) {
        return Err(TableError::invalid(
            "Both the Hash Key and the Range Key element in the KeySchema have the same name",
        ));
    }
    let names: BTreeSet<&String> = definition.indexes.iter().map(|index| &index.name).collect();
    if names.len() < definition.indexes.len() {
        return Err(TableError::invalid_value("Duplicate index name"));
    }
    if names.len() > INDEXES_MAX {
        return Err(TableError::new(ErrorKind::LimitExceeded, format!("A table has at most {INDEXES_MAX} indexes")));
    }
    Ok(())
}

fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), TableError> {
    if tags.len() > limits::TAGS_MAX {
        return Err(TableError::new(ErrorKind::LimitExceeded, "Too many tags"));
    }
    for (key, value) in tags {
        if !(1..=limits::TAG_KEY_CHARS).contains(&key.chars().count()) {
            return Err(TableError::invalid("Tag keys must be between 1 and 128 characters in length."));
        }
        if value.chars().count() > limits::TAG_VALUE_CHARS {
            return Err(TableError::invalid("Tag values must be between 0 and 256 characters in length."));
        }
    }
    Ok(())
}
