//! What `#name` and `:value` stand for, and whether each was used.

use crate::domain::table::{error::TableError, value::Value};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

/// The names and values of one call. Its expressions are parsed with it one after the other, then [`Placeholders::finish`]
/// finds what none of them used.
#[derive(Debug, Default)]
pub struct Placeholders {
    pub names: BTreeMap<String, String>,
    pub values: BTreeMap<String, Value>,
    used: RefCell<BTreeSet<String>>,
}

impl Placeholders {
    pub fn new(names: BTreeMap<String, String>, values: BTreeMap<String, Value>) -> Self {
        Self { names, values, used: RefCell::default() }
    }

    pub(super) fn name(&self, placeholder: &str) -> Option<&String> {
        self.used.borrow_mut().insert(placeholder.to_owned());
        self.names.get(placeholder)
    }

    pub(super) fn value(&self, placeholder: &str) -> Option<&Value> {
        self.used.borrow_mut().insert(placeholder.to_owned());
        self.values.get(placeholder)
    }

    /// # Errors
    ///
    /// A name or a value that no expression mentions.
    pub fn finish(&self) -> Result<(), TableError> {
        let used = self.used.borrow();
        for (what, known) in [
            ("ExpressionAttributeNames", self.names.keys().collect::<Vec<_>>()),
            ("ExpressionAttributeValues", self.values.keys().collect()),
        ] {
            let unused: Vec<&str> =
                known.into_iter().map(String::as_str).filter(|name| !used.contains(*name)).collect();
            if !unused.is_empty() {
                let keys = unused.join(", ");
                return Err(TableError::invalid(format!(
                    "Value provided in {what} unused in expressions: keys: {{{keys}}}"
                )));
            }
        }
        Ok(())
    }
}
