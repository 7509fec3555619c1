//! Expressions: what DynamoDB's clients write as text, with placeholders for names and values.
//!
//! | file | what it does |
//! | --- | --- |
//! | `lexer` | text to words and signs |
//! | [`placeholders`] | what `#name` and `:value` stand for, and whether each was used |
//! | `parser` | paths, operands and functions that all expressions share |
//! | [`condition`], [`update`], [`projection`], [`key`] | one kind of expression each |
//! | [`legacy`] | the structures that stood for expressions before there were any |
//!
//! Reserved words are not looked for: an attribute may have any name here.

pub mod condition;
pub mod key;
pub mod legacy;
mod lexer;
mod parser;
pub mod placeholders;
pub mod projection;
#[cfg(test)]
mod tests;
pub mod update;
