//! Text with wildcards (`*` any run of characters, `?` any one) and policy variables (`${aws:username}`).
//!
//! Matching looks back to the last `*` only, so its work is bounded by the product of the two lengths. It allocates only
//! when there are variables to fill in.

use super::{
    error::{PolicyError, quoted},
    key::Key,
    request::Request,
};

/// How a text of a policy is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    /// Whether `*` and `?` stand for others.
    pub(super) wildcards: bool,
    /// Whether `${…}` is filled in: since version 2012-10-17.
    pub(super) variables: bool,
    /// Compare without regard to case.
    pub(super) any_case: bool,
}

/// A compiled text. It matches whole texts.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    form: Form,
    any_case: bool,
}

#[derive(Clone, Debug)]
enum Form {
    Exact(Box<str>),
    /// The text and then anything; empty: everything.
    Prefix(Box<str>),
    Glob(Box<[Unit]>),
    Template(Box<[Piece]>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Char(char),
    One,
    Many,
}

#[derive(Clone, Debug)]
enum Piece {
    Unit(Unit),
    Variable { key: Key, default: Option<Box<str>> },
}

impl Pattern {
    /// Compiles a text that stands at `place`.
    pub(super) fn parse(text: &str, reading: Reading, place: &str) -> Result<Self, PolicyError> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(char) = rest.chars().next() {
            if reading.variables && rest.starts_with("${") {
                let (piece, after) = variable(rest, place)?;
                pieces.push(piece);
                rest = after;
                continue;
            }
            pieces.push(Piece::Unit(match char {
                '*' if reading.wildcards => Unit::Many,
                '?' if reading.wildcards => Unit::One,
                char => Unit::Char(char),
            }));
            rest = rest.get(char.len_utf8()..).unwrap_or_default();
        }
        Ok(Self { form: Form::of(pieces), any_case: reading.any_case })
    }

    pub(super) fn matches(&self, text: &str, request: &Request<'_>) -> bool {
        match &self.form {
            Form::Exact(exact) if self.any_case => fold(exact).eq(fold(text)),
            Form::Exact(exact) => **exact == *text,
            Form::Prefix(prefix) => text.starts_with(&**prefix),
            Form::Glob(units) => glob(units, text, self.any_case),
            Form::Template(pieces) => fill(pieces, request).is_some_and(|units| glob(&units, text, self.any_case)),
        }
    }

    /// Whether it matches everything.
    pub(super) fn is_all(&self) -> bool {
        matches!(&self.form, Form::Prefix(prefix) if prefix.is_empty())
    }
}

impl Form {
    /// The cheapest form that says the same.
    fn of(pieces: Vec<Piece>) -> Self {
        let unit = |piece: &Piece| match piece {
            Piece::Unit(unit) => Some(*unit),
            Piece::Variable { .. } => None,
        };
        let Some(mut units) = pieces.iter().map(unit).collect::<Option<Vec<_>>>() else {
            return Self::Template(pieces.into());
        };
        units.dedup_by(|a, b| *a == Unit::Many && *b == Unit::Many);
        let text = |units: &[Unit]| {
            let char = |unit: &Unit| match unit {
                Unit::Char(char) => Some(*char),
                Unit::One | Unit::Many => None,
            };
            units.iter().map(char).collect::<Option<String>>().map(String::into_boxed_str)
        };
        if let Some(text) = text(&units) {
            return Self::Exact(text);
        }
        match units.split_last() {
            Some((Unit::Many, before)) => match text(before) {
                Some(text) => Self::Prefix(text),
                None => Self::Glob(units.into()),
            },
            _ => Self::Glob(units.into()),
        }
    }
}

/// Reads the variable that `text` starts with; returns it and what follows it.
fn variable<'a>(text: &'a str, place: &str) -> Result<(Piece, &'a str), PolicyError> {
    const ALLOWED: &str = "${key}, ${key, 'default'}, ${*}, ${?} or ${$}";
    let wrong = || PolicyError::element(place, quoted(text), ALLOWED);
    let (inside, after) = text.strip_prefix("${").and_then(|rest| rest.split_once('}')).ok_or_else(wrong)?;
    let (name, default) = match inside.split_once(',') {
        None => (inside.trim(), None),
        Some((name, default)) => {
            let default = default.trim().strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
            (name.trim(), Some(default.ok_or_else(wrong)?.into()))
        }
    };
    let piece = match name {
        "*" => Piece::Unit(Unit::Char('*')),
        "?" => Piece::Unit(Unit::Char('?')),
        "$" => Piece::Unit(Unit::Char('$')),
        name if name.contains(':') && !name.contains(['$', '{']) => Piece::Variable { key: Key::parse(name), default },
        _ => return Err(wrong()),
    };
    Ok((piece, after))
}

/// Puts the request's values in the place of variables, where no character of theirs is a wildcard. `None` when a value
/// is missing: then nothing matches.
fn fill(pieces: &[Piece], request: &Request<'_>) -> Option<Vec<Unit>> {
    let mut units = Vec::with_capacity(pieces.len() + 32);
    for piece in pieces {
        match piece {
            Piece::Unit(unit) => units.push(*unit),
            Piece::Variable { key, default } => match (key.value(request), default) {
                (Some(found), _) => units.extend(found.text().chars().map(Unit::Char)),
                (None, Some(default)) => units.extend(default.chars().map(Unit::Char)),
                (None, None) => return None,
            },
        }
    }
    Some(units)
}

/// Whether the units cover the whole text.
fn glob(units: &[Unit], text: &str, any_case: bool) -> bool {
    let mut rest = text.chars();
    let mut at = 0;
    // Where to go on when what follows the last `*` does not fit: it takes one character more.
    let mut retry: Option<(usize, std::str::Chars<'_>)> = None;
    loop {
        let next = match units.get(at) {
            Some(Unit::Many) => {
                at += 1;
                if at == units.len() {
                    return true;
                }
                retry = Some((at, rest.clone()));
                continue;
            }
            Some(unit) => {
                let mut after = rest.clone();
                let fits = match (unit, after.next()) {
                    (_, None) => return false,
                    (Unit::Char(wanted), Some(found)) => {
                        *wanted == found || any_case && wanted.to_lowercase().eq(found.to_lowercase())
                    }
                    (Unit::One | Unit::Many, Some(_)) => true,
                };
                fits.then_some(after)
            }
            None if rest.as_str().is_empty() => return true,
            None => None,
        };
        match (next, &mut retry) {
            (Some(after), _) => {
                rest = after;
                at += 1;
            }
            (None, Some((from, chars))) => {
                if chars.next().is_none() {
                    return false;
                }
                at = *from;
                rest = chars.clone();
            }
            (None, None) => return false,
        }
    }
}

fn fold(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars().flat_map(char::to_lowercase)
}

/// Whether `text` matches a pattern of ASCII wildcards in any case, as names of actions are compared.
pub(super) fn matches_any_case(pattern: &str, text: &str) -> bool {
    let unit = |char| match char {
        '*' => Unit::Many,
        '?' => Unit::One,
        char => Unit::Char(char),
    };
    glob(&pattern.chars().map(unit).collect::<Vec<_>>(), text, true)
}
