//! Reads a TOML file into key, text and line, and refuses what the table does not know.

use super::{Key, Origin, Problem, SECTIONS, load::suggest_key, unit::Shape};
use std::path::Path;
use toml::de::{DeTable, DeValue};

/// A key that the file sets.
pub(super) struct Found {
    pub(super) key: &'static Key,
    pub(super) text: String,
    pub(super) line: usize,
}

/// Reads the text of a file. What is wrong is added to `problems`; what is right is returned.
pub(super) fn read(path: &Path, text: &str, problems: &mut Vec<Problem>) -> Vec<Found> {
    let mut reader = Reader { path, text, problems, found: Vec::new() };
    match DeTable::parse(text) {
        Ok(root) => reader.table("", root.get_ref()),
        Err(error) => {
            let start = error.span().map_or(0, |span| span.start);
            reader.problem(start, format!("not TOML: {}", error.message()), None);
        }
    }
    reader.found
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    problems: &'a mut Vec<Problem>,
    found: Vec<Found>,
}

impl Reader<'_> {
    fn line(&self, start: usize) -> usize {
        let before = self.text.as_bytes().iter().take(start);
        1 + before.filter(|byte| **byte == b'\n').count()
    }

    fn problem(&mut self, start: usize, text: String, suggestion: Option<String>) {
        let origin = Origin::File { path: self.path.to_owned(), line: self.line(start) };
        self.problems.push(Problem { origin, text, suggestion });
    }

    fn table(&mut self, prefix: &str, table: &DeTable<'_>) {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        for (name, value) in entries {
            let full =
                if prefix.is_empty() { name.get_ref().to_string() } else { format!("{prefix}.{}", name.get_ref()) };
            let start = name.span().start;
            match (value.get_ref(), Key::find(&full)) {
                (value, Some(key)) => self.value(key, value, start),
                (DeValue::Table(inner), None) if is_section(&full) => self.table(&full, inner),
                (DeValue::Table(_), None) => {
                    let names = SECTIONS.iter().map(|section| section.name);
                    self.problem(start, format!("unknown section [{full}]"), super::load::suggest(&full, names));
                }
                (_, None) => self.problem(start, format!("unknown key {full:?}"), suggest_key(&full)),
            }
        }
    }

    fn value(&mut self, key: &'static Key, value: &DeValue<'_>, start: usize) {
        let text = match (key.shape, value) {
            (Shape::Quoted, DeValue::String(text)) => text.to_string(),
            (Shape::Number, DeValue::Integer(number)) if number.radix() == 10 => number.as_str().to_owned(),
            (Shape::Flag, DeValue::Boolean(flag)) => flag.to_string(),
            (shape, value) => {
                let wanted = match shape {
                    Shape::Quoted => "a text in quotes",
                    Shape::Number => "a whole number without quotes",
                    Shape::Flag => "true or false without quotes",
                };
                let text = format!("{} must be {wanted}, not {}", key.name, describe(value));
                return self.problem(
                    start,
                    text,
                    Some(format!("for example: {} = {}", key.short(), key.quote(key.default))),
                );
            }
        };
        match key.check(&text) {
            Ok(()) => {
                let line = self.line(start);
                self.found.push(Found { key, text, line });
            }
            Err(error) => self.problem(start, format!("{}: {error}", key.name), None),
        }
    }
}

fn is_section(name: &str) -> bool {
    let within = |whole: &str| whole.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    SECTIONS.iter().any(|section| within(section.name))
}

fn describe(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("the text {text:?}"),
        DeValue::Integer(number) => format!("the number {}", number.as_str()),
        DeValue::Float(number) => format!("the number {}", number.as_str()),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}
