//! How long a file and a function may be, and which ones are longer for a reason.

use proc_macro2::LineColumn;
use syn::{Block, ImplItemFn, ItemFn, ItemImpl, TraitItemFn, Type, spanned::Spanned, visit, visit::Visit};

pub const FILE_LINES_MAX: usize = 600;
pub const FUNCTION_LINES_MAX: usize = 70;

/// What is longer, and why. An entry that is not needed any more fails the test.
const LISTED: &[(&str, &str)] = &[];

/// Compares every length with the limits and the list.
pub fn check(files: &[(String, String)]) -> Vec<String> {
    let long: Vec<_> = files.iter().flat_map(|(path, text)| check_sizes(path, text)).collect();
    compare(&long, LISTED)
}

/// What is too long and not listed, and what is listed and not too long.
pub fn compare(long: &[(String, usize)], listed: &[(&str, &str)]) -> Vec<String> {
    let unlisted = long.iter().filter(|(name, _)| !listed.iter().any(|(known, _)| known == name));
    let unneeded = listed.iter().filter(|(known, _)| !long.iter().any(|(name, _)| name == known));
    unlisted
        .map(|(name, lines)| {
            format!("{name}: {lines} lines; files have {FILE_LINES_MAX} at most, functions {FUNCTION_LINES_MAX}")
        })
        .chain(unneeded.map(|(known, _)| format!("{known}: listed as long, but is not: take it off the list")))
        .collect()
}

/// The names and lengths of what is too long in one file: the file's path, or `path::Type::function`.
pub fn check_sizes(path: &str, text: &str) -> Vec<(String, usize)> {
    let lines = text.lines().count();
    let mut functions = Functions { path, owner: String::new(), long: Vec::new() };
    if lines > FILE_LINES_MAX {
        functions.long.push((path.to_owned(), lines));
    }
    functions.visit_file(&syn::parse_file(text).unwrap_or_else(|error| panic!("{path}: {error}")));
    functions.long
}

/// The complaint about a file whose first line does not say what it is.
pub fn check_header(path: &str, text: &str) -> Option<String> {
    let first = text.lines().next().unwrap_or_default();
    let says_something = first.strip_prefix("//! ").is_some_and(|words| !words.trim().is_empty());
    (!says_something).then(|| format!("{path}: its first line does not say what it is (`//! …`)"))
}

struct Functions<'a> {
    path: &'a str,
    /// `Type::` inside an `impl`, else empty.
    owner: String,
    long: Vec<(String, usize)>,
}

impl Functions<'_> {
    fn measure(&mut self, name: &str, start: LineColumn, body: &Block) {
        let lines = body.span().end().line + 1 - start.line;
        if lines > FUNCTION_LINES_MAX {
            self.long.push((format!("{}::{}{name}", self.path, self.owner), lines));
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_impl(&mut self, block: &'ast ItemImpl) {
        let outer = std::mem::take(&mut self.owner);
        if let Type::Path(owner) = &*block.self_ty
            && let Some(last) = owner.path.segments.last()
        {
            self.owner = format!("{}::", last.ident);
        }
        visit::visit_item_impl(self, block);
        self.owner = outer;
    }

    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.measure(&function.sig.ident.to_string(), function.sig.span().start(), &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.measure(&function.sig.ident.to_string(), function.sig.span().start(), &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast TraitItemFn) {
        if let Some(body) = &function.default {
            self.measure(&function.sig.ident.to_string(), function.sig.span().start(), body);
        }
        visit::visit_trait_item_fn(self, function);
    }
}
