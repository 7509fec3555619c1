//! Which attributes of an item an answer has.

use super::{parser::Parser, placeholders::Placeholders};
use crate::domain::table::{error::TableError, path::Path, value::Item};

/// Paths that do not overlap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Projection(pub Vec<Path>);

impl Projection {
    /// # Errors
    ///
    /// The text is no list of paths, or two of them overlap.
    pub fn parse(text: &str, placeholders: &Placeholders) -> Result<Self, TableError> {
        let mut parser = Parser::new("ProjectionExpression", text, placeholders)?;
        let mut paths = vec![parser.path()?];
        while parser.sign(",") {
            paths.push(parser.path()?);
        }
        if let Some(why) = overlap(&paths) {
            return Err(parser.fail(why));
        }
        parser.finish(Self(paths))
    }

    pub fn of(&self, item: &Item) -> Item {
        let mut part = Item::new();
        self.0.iter().for_each(|path| path.project(item, &mut part));
        part
    }
}

/// What is wrong with paths that may not touch the same value.
pub(super) fn overlap(paths: &[Path]) -> Option<String> {
    for (at, one) in paths.iter().enumerate() {
        let mut others = paths.iter().skip(at + 1);
        if let Some(two) = others.clone().find(|two| one.overlaps(two)) {
            return Some(format!(
                "Two document paths overlap with each other; must remove or rewrite one of these paths; \
                 path one: {one}, path two: {two}"
            ));
        }
        if let Some(two) = others.find(|two| one.conflicts(two)) {
            return Some(format!(
                "Two document paths conflict with each other; must remove or rewrite one of these paths; \
                 path one: {one}, path two: {two}"
            ));
        }
    }
    None
}
