//! Updates: SET, REMOVE, ADD, DELETE. All look at the item as it was before.

use super::{
    parser::{Operand, Parser},
    placeholders::Placeholders,
    projection::overlap,
};
use crate::domain::table::{
    error::TableError,
    path::{NoPlace, Path},
    value::{Item, Value},
};
use std::cmp::Reverse;

/// What an update does, clause by clause.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Update {
    pub sets: Vec<(Path, New)>,
    pub removes: Vec<Path>,
    pub adds: Vec<(Path, Value)>,
    pub deletes: Vec<(Path, Value)>,
}

/// What an attribute is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum New {
    Value(Value),
    Path(Path),
    IfMissing(Path, Box<Self>),
    Append(Box<Self>, Box<Self>),
    Plus(Box<Self>, Box<Self>),
    Minus(Box<Self>, Box<Self>),
}

const WRONG_TYPE: &str = "An operand in the update expression has an incorrect data type";
const NO_PLACE: &str = "The document path provided in the update expression is invalid for update";
const NO_SOURCE: &str = "The provided expression refers to an attribute that does not exist in the item";

impl Update {
    /// # Errors
    ///
    /// The text is no update, a clause stands twice, or two paths overlap.
    pub fn parse(text: &str, placeholders: &Placeholders) -> Result<Self, TableError> {
        let mut parser = Parser::new("UpdateExpression", text, placeholders)?;
        let mut update = Self::default();
        let mut seen = Vec::new();
        while !parser.is_done() {
            let found = ["SET", "REMOVE", "ADD", "DELETE"].into_iter().find(|clause| parser.keyword(clause));
            let Some(clause) = found else { return Err(parser.unexpected()) };
            if seen.contains(&clause) {
                return Err(
                    parser.fail(format!("The \"{clause}\" section can only be used once in an update expression;"))
                );
            }
            seen.push(clause);
            update.clause(&mut parser, clause)?;
            while parser.sign(",") {
                update.clause(&mut parser, clause)?;
            }
        }
        let paths: Vec<Path> = update.paths().cloned().collect();
        match overlap(&paths) {
            Some(why) => Err(parser.fail(why)),
            None => Ok(update),
        }
    }

    fn clause(&mut self, parser: &mut Parser<'_>, clause: &str) -> Result<(), TableError> {
        let path = parser.path()?;
        match clause {
            "SET" => {
                parser.expect("=")?;
                self.sets.push((path, sum(parser)?));
            }
            "REMOVE" => self.removes.push(path),
            "ADD" => self.adds.push((path, operand_of(parser, "ADD", is_addable)?)),
            _ => self.deletes.push((path, operand_of(parser, "DELETE", is_set)?)),
        }
        Ok(())
    }

    /// Everything that it changes.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        let sets = self.sets.iter().map(|(path, _)| path);
        let values = self.adds.iter().chain(&self.deletes).map(|(path, _)| path);
        sets.chain(values).chain(&self.removes)
    }

    /// The item as it is afterwards.
    ///
    /// # Errors
    ///
    /// A value has the wrong type, or a path leads nowhere.
    pub fn apply(&self, before: &Item) -> Result<Item, TableError> {
        let no_place = |NoPlace| TableError::invalid(NO_PLACE);
        let mut item = before.clone();
        // Elements behind the end of a list are appended in the order of their numbers.
        let mut sets: Vec<&(Path, New)> = self.sets.iter().collect();
        sets.sort_by_key(|(path, _)| path);
        for (path, new) in sets {
            path.set(&mut item, new.of(before)?).map_err(no_place)?;
        }
        for (path, value) in &self.adds {
            path.set(&mut item, added(path.find(before), value)?).map_err(no_place)?;
        }
        for (path, value) in &self.deletes {
            match path.find(before).map(|found| without(found, value)).transpose()? {
                Some(Some(rest)) => path.set(&mut item, rest).map_err(no_place)?,
                Some(None) => path.remove(&mut item).map_err(no_place)?,
                None => {}
            }
        }
        // From the end of each list, so that the numbers of those before stay right.
        let mut removes: Vec<&Path> = self.removes.iter().collect();
        removes.sort_by_key(|path| Reverse(*path));
        for path in removes {
            path.remove(&mut item).map_err(no_place)?;
        }
        Ok(item)
    }
}

fn is_set(value: &Value) -> bool {
    matches!(value, Value::Texts(_) | Value::Numbers(_) | Value::ByteSet(_))
}

fn is_addable(value: &Value) -> bool {
    is_set(value) || matches!(value, Value::Number(_))
}

fn operand_of(parser: &mut Parser<'_>, operator: &str, fits: fn(&Value) -> bool) -> Result<Value, TableError> {
    let Some(value) = parser.value()? else { return Err(parser.unexpected()) };
    if fits(&value) {
        return Ok(value);
    }
    let kind = value.kind();
    Err(parser
        .fail(format!("Incorrect operand type for operator or function; operator: {operator}, operand type: {kind}")))
}

/// The number with another on top, or the set with more elements; a missing number is zero.
fn added(found: Option<&Value>, more: &Value) -> Result<Value, TableError> {
    Ok(match (found, more) {
        (None, more) => more.clone(),
        (Some(Value::Number(one)), Value::Number(two)) => {
            Value::Number(one.plus(*two).map_err(|error| TableError::invalid(error.to_string()))?)
        }
        (Some(Value::Texts(one)), Value::Texts(two)) => Value::Texts(one | two),
        (Some(Value::Numbers(one)), Value::Numbers(two)) => Value::Numbers(one | two),
        (Some(Value::ByteSet(one)), Value::ByteSet(two)) => Value::ByteSet(one | two),
        _ => return Err(TableError::invalid(WRONG_TYPE)),
    })
}

/// The set without some elements; `None` when that leaves none.
fn without(found: &Value, less: &Value) -> Result<Option<Value>, TableError> {
    let rest = match (found, less) {
        (Value::Texts(one), Value::Texts(two)) => Value::Texts(one - two),
        (Value::Numbers(one), Value::Numbers(two)) => Value::Numbers(one - two),
        (Value::ByteSet(one), Value::ByteSet(two)) => Value::ByteSet(one - two),
        _ => return Err(TableError::invalid(WRONG_TYPE)),
    };
    Ok((rest.length() != Some(0)).then_some(rest))
}

impl New {
    fn of(&self, item: &Item) -> Result<Value, TableError> {
        match self {
            Self::Value(value) => Ok(value.clone()),
            Self::Path(path) => path.find(item).cloned().ok_or_else(|| TableError::invalid(NO_SOURCE)),
            Self::IfMissing(path, other) => path.find(item).cloned().map_or_else(|| other.of(item), Ok),
            Self::Append(one, two) => match (one.of(item)?, two.of(item)?) {
                (Value::List(mut list), Value::List(more)) => {
                    list.extend(more);
                    Ok(Value::List(list))
                }
                _ => Err(TableError::invalid(WRONG_TYPE)),
            },
            Self::Plus(one, two) | Self::Minus(one, two) => {
                let (Value::Number(left), Value::Number(right)) = (one.of(item)?, two.of(item)?) else {
                    return Err(TableError::invalid(WRONG_TYPE));
                };
                let result = if matches!(self, Self::Plus(..)) { left.plus(right) } else { left.minus(right) };
                result.map(Value::Number).map_err(|error| TableError::invalid(error.to_string()))
            }
        }
    }
}

/// One value, or the sum or the difference of two.
fn sum(parser: &mut Parser<'_>) -> Result<New, TableError> {
    let first = term(parser)?;
    if parser.sign("+") {
        return Ok(New::Plus(Box::new(first), Box::new(term(parser)?)));
    }
    if parser.sign("-") {
        return Ok(New::Minus(Box::new(first), Box::new(term(parser)?)));
    }
    Ok(first)
}

fn term(parser: &mut Parser<'_>) -> Result<New, TableError> {
    if parser.sign("(") {
        let inner = parser.nested(sum)?;
        parser.expect(")")?;
        return Ok(inner);
    }
    match parser.function().as_deref() {
        Some("if_not_exists") => {
            parser.enter();
            let path = parser.path()?;
            parser.expect(",")?;
            let other = parser.nested(sum)?;
            parser.expect(")")?;
            Ok(New::IfMissing(path, Box::new(other)))
        }
        Some("list_append") => {
            parser.enter();
            let one = parser.nested(sum)?;
            parser.expect(",")?;
            let two = parser.nested(sum)?;
            parser.expect(")")?;
            Ok(New::Append(Box::new(one), Box::new(two)))
        }
        Some(name) => Err(parser.unknown_function(name)),
        None => match parser.operand()? {
            Operand::Value(value) => Ok(New::Value(value)),
            Operand::Path(path) => Ok(New::Path(path)),
            Operand::Size(_) => Err(parser.unknown_function("size")),
        },
    }
}
