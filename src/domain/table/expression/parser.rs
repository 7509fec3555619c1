//! Paths, operands and functions that all expressions share.

use super::{
    lexer::{Token, tokens},
    placeholders::Placeholders,
};
use crate::domain::table::{
    error::TableError,
    path::{Path, Step},
    value::{DEPTH_MAX, Value},
};

pub(super) const EXPRESSION_BYTES_MAX: usize = 4096;
/// Parentheses and negations inside of each other: a parser that calls itself needs a limit.
const NESTING_MAX: usize = 64;

/// A value that a condition looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operand {
    Path(Path),
    Value(Value),
    /// `size(path)`.
    Size(Path),
}

pub(super) struct Parser<'p> {
    /// "ConditionExpression", for messages.
    what: &'static str,
    tokens: Vec<Token>,
    at: usize,
    placeholders: &'p Placeholders,
    nesting: usize,
}

type Parsed<T> = Result<T, TableError>;

impl<'p> Parser<'p> {
    pub(super) fn new(what: &'static str, text: &str, placeholders: &'p Placeholders) -> Parsed<Self> {
        let mut parser = Self { what, tokens: Vec::new(), at: 0, placeholders, nesting: 0 };
        if text.trim().is_empty() {
            return Err(parser.fail("The expression can not be empty;"));
        }
        if text.len() > EXPRESSION_BYTES_MAX {
            let length = text.len();
            return Err(parser
                .fail(format!("Expression size has exceeded the maximum allowed size; expression size: {length}")));
        }
        parser.tokens = tokens(text).map_err(|near| parser.fail(format!("Syntax error; token: \"{near}\"")))?;
        Ok(parser)
    }

    pub(super) fn fail(&self, why: impl std::fmt::Display) -> TableError {
        TableError::invalid(format!("Invalid {}: {why}", self.what))
    }

    /// Something else stands here than may.
    pub(super) fn unexpected(&self) -> TableError {
        let shown = match self.tokens.get(self.at) {
            Some(Token::Word(text) | Token::Name(text) | Token::Value(text)) => text.clone(),
            Some(Token::Index(index)) => index.to_string(),
            Some(Token::Sign(sign)) => (*sign).to_owned(),
            None => "<EOF>".to_owned(),
        };
        self.fail(format!("Syntax error; token: \"{shown}\""))
    }

    pub(super) fn is_done(&self) -> bool {
        self.at == self.tokens.len()
    }

    pub(super) fn finish<T>(self, parsed: T) -> Parsed<T> {
        if self.is_done() { Ok(parsed) } else { Err(self.unexpected()) }
    }

    /// Takes the sign when it is next.
    pub(super) fn sign(&mut self, wanted: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Sign(sign)) if *sign == wanted);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, wanted: &str) -> Parsed<()> {
        if self.sign(wanted) { Ok(()) } else { Err(self.unexpected()) }
    }

    /// Takes the keyword, in any case, when it is next.
    pub(super) fn keyword(&mut self, wanted: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Word(word)) if word.eq_ignore_ascii_case(wanted));
        self.at += usize::from(found);
        found
    }

    /// The name of a function that is called here; nothing is taken.
    pub(super) fn function(&self) -> Option<String> {
        match (self.tokens.get(self.at), self.tokens.get(self.at + 1)) {
            (Some(Token::Word(name)), Some(Token::Sign("("))) => Some(name.clone()),
            _ => None,
        }
    }

    /// Takes the name of a function and its parenthesis.
    pub(super) fn enter(&mut self) {
        self.at += 2;
    }

    /// Parses something that may hold its own kind again.
    pub(super) fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.nesting == NESTING_MAX {
            return Err(self.fail(format!("The expression is nested deeper than {NESTING_MAX} levels")));
        }
        self.nesting += 1;
        let parsed = parse(self);
        self.nesting -= 1;
        parsed
    }

    pub(super) fn path(&mut self) -> Parsed<Path> {
        let mut path = Path { name: self.name()?, steps: Vec::new() };
        loop {
            if self.sign(".") {
                path.steps.push(Step::Name(self.name()?));
            } else if self.sign("[") {
                let Some(Token::Index(index)) = self.tokens.get(self.at) else { return Err(self.unexpected()) };
                path.steps.push(Step::Index(*index));
                self.at += 1;
                self.expect("]")?;
            } else if path.steps.len() >= DEPTH_MAX {
                let depth = path.steps.len() + 1;
                return Err(
                    self.fail(format!("The document path has too many nesting elements; nesting levels: {depth}"))
                );
            } else {
                return Ok(path);
            }
        }
    }

    fn name(&mut self) -> Parsed<String> {
        let name = match self.tokens.get(self.at) {
            Some(Token::Word(name)) => name.clone(),
            Some(Token::Name(placeholder)) => self.placeholders.name(placeholder).cloned().ok_or_else(|| {
                self.fail(format!(
                    "An expression attribute name used in the document path is not defined; \
                     attribute name: {placeholder}"
                ))
            })?,
            _ => return Err(self.unexpected()),
        };
        self.at += 1;
        Ok(name)
    }

    /// The value of a placeholder, when one is next.
    pub(super) fn value(&mut self) -> Parsed<Option<Value>> {
        let Some(Token::Value(placeholder)) = self.tokens.get(self.at) else { return Ok(None) };
        let found = self.placeholders.value(placeholder).cloned().ok_or_else(|| {
            self.fail(format!(
                "An expression attribute value used in expression is not defined; attribute value: {placeholder}"
            ))
        })?;
        self.at += 1;
        Ok(Some(found))
    }

    pub(super) fn operand(&mut self) -> Parsed<Operand> {
        if let Some(value) = self.value()? {
            return Ok(Operand::Value(value));
        }
        match self.function() {
            Some(name) if name == "size" => {
                self.enter();
                let path = self.path()?;
                self.expect(")")?;
                Ok(Operand::Size(path))
            }
            Some(name) => Err(self.unknown_function(&name)),
            None => self.path().map(Operand::Path),
        }
    }

    pub(super) fn unknown_function(&self, name: &str) -> TableError {
        let known = ["attribute_exists", "attribute_not_exists", "attribute_type", "begins_with", "contains", "size"];
        if known.contains(&name) || ["if_not_exists", "list_append"].contains(&name) {
            return self
                .fail(format!("The function is not allowed to be used this way in an expression; function: {name}"));
        }
        self.fail(format!("Invalid function name; function: {name}"))
    }
}
