//! Which tags a stream or a consumer may have.
//!
//! Source: "AddTagsToStream"; the characters as AWS has been seen to judge them.

use super::{
    error::{Field, StreamError},
    settings::Tags,
};
use crate::base::limits;
use std::sync::Arc;

const RESERVED: &str = "aws:";

/// The tags with others added, unless they become too many.
pub(super) fn add(tags: &Tags, added: &Tags) -> Result<Tags, StreamError> {
    check(added)?;
    let mut all = tags.clone();
    all.extend(added.iter().map(|(key, value)| (key.clone(), value.clone())));
    StreamError::length(Field::Tags, all.len(), limits::TAGS_MAX)?;
    Ok(all)
}

/// The tags without some.
pub(super) fn remove(tags: &Tags, keys: &[Arc<str>]) -> Result<Tags, StreamError> {
    keys.iter().try_for_each(|key| check_text(key, key, Field::TagKeyChars, limits::TAG_KEY_CHARS))?;
    let kept = tags.iter().filter(|(key, _)| !keys.contains(key));
    Ok(kept.map(|(key, value)| (key.clone(), value.clone())).collect())
}

pub(super) fn check(tags: &Tags) -> Result<(), StreamError> {
    for (key, value) in tags {
        check_text(key, key, Field::TagKeyChars, limits::TAG_KEY_CHARS)?;
        check_text(key, value, Field::TagValueChars, limits::TAG_VALUE_CHARS)?;
        if key.is_empty() {
            return Err(StreamError::TooLow { field: Field::TagKeyChars, value: 0, min: 1 });
        }
        if key.starts_with(RESERVED) {
            return Err(StreamError::TagReserved(key.clone()));
        }
    }
    Ok(())
}

fn check_text(key: &Arc<str>, text: &str, field: Field, chars_max: usize) -> Result<(), StreamError> {
    StreamError::length(field, text.chars().count(), chars_max)?;
    match text.chars().find(|character| !is_allowed(*character)) {
        Some(character) => Err(StreamError::TagCharacter { key: key.clone(), character }),
        None => Ok(()),
    }
}

fn is_allowed(character: char) -> bool {
    let space = character.is_whitespace() && !character.is_control();
    character.is_alphanumeric() || space || "_./=+-@:".contains(character)
}
