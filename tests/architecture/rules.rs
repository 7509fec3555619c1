//! What may stand in a layer, checked on the syntax tree: `use` items, qualified paths, `async`, `unsafe`, and the same
//! words among the tokens of a macro call, which have no tree.

use crate::{
    layers::{self, Row},
    tree::{Source, is_test_only},
};
use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Attribute, ExprAsync, ExprAwait, ExprUnsafe, Ident, ImplItem, Item, ItemImpl, ItemMod, ItemTrait, ItemUse, Macro,
    Meta, Path, Signature, TraitItem, UseTree, Visibility, spanned::Spanned, visit, visit::Visit,
};

/// The violations in one file.
pub fn check(source: &Source) -> Vec<String> {
    let mut checker = Checker {
        source,
        module: source.module.clone(),
        test: source.test,
        row: layers::row_of(&source.module),
        violations: Vec::new(),
    };
    if checker.row.is_none() && !source.module.is_empty() {
        checker.report(1, format!("the layer of `{}` has no row in the table", source.module.join("::")));
    }
    checker.visit_file(&source.ast);
    checker.violations
}

/// Functions with bodies in a file that should only declare: `lib.rs` or a `mod.rs`.
pub fn check_root(source: &Source) -> Vec<String> {
    let is_root = source.path == "src/lib.rs" || source.path.ends_with("/mod.rs");
    if !is_root || source.test || !has_logic(&source.ast.items) {
        return Vec::new();
    }
    vec![format!("{}: logic stands in a module's root; move it to a file with a name", source.path)]
}

fn has_logic(items: &[Item]) -> bool {
    items.iter().any(|item| match item {
        Item::Fn(function) => !is_test_only(&function.attrs),
        Item::Impl(block) => block.items.iter().any(|item| matches!(item, ImplItem::Fn(_))),
        Item::Trait(block) => {
            block.items.iter().any(|item| matches!(item, TraitItem::Fn(function) if function.default.is_some()))
        }
        Item::Mod(module) => {
            !is_test_only(&module.attrs) && module.content.as_ref().is_some_and(|(_, items)| has_logic(items))
        }
        _ => false,
    })
}

struct Checker<'a> {
    source: &'a Source,
    /// The module the visitor stands in: the file's, and inline modules below it.
    module: Vec<String>,
    test: bool,
    row: Option<&'static Row>,
    violations: Vec<String>,
}

impl Checker<'_> {
    fn report(&mut self, line: usize, what: String) {
        self.violations.push(format!("{}:{line}: {what}", self.source.path));
    }

    /// Judges one path of a `use` or of code. `imported` is true for a `use`, whose last name may be a whole module.
    fn judge(&mut self, path: &[String], imported: bool, line: usize) {
        let (Some(row), false) = (self.row, self.test) else { return };
        match self.resolve(path) {
            Some(target) => self.judge_internal(row, &target, line),
            None => self.judge_external(row, path, imported, line),
        }
    }

    fn judge_internal(&mut self, row: &Row, target: &[String], line: usize) {
        if target.first().is_none_or(|name| name == "*" || name == "self") {
            self.report(line, "a path names the crate's root, which hides what is used".to_owned());
            return;
        }
        match layers::row_of(target) {
            None => self.report(line, format!("`{}` has no row in the table", target.join("::"))),
            Some(other) if row.may_use(target, other) => {}
            Some(other) => self.report(line, format!("`{}` must not use `{}`", row.layer, other.layer)),
        }
    }

    fn judge_external(&mut self, row: &Row, path: &[String], imported: bool, line: usize) {
        let path = match path.last() {
            Some(last) if last == "*" || last == "self" => &path[..path.len() - 1],
            _ => path,
        };
        let joined = path.join("::");
        for banned in row.banned.iter().copied().flatten() {
            // Importing `std::time` whole would hide `time::SystemTime` below it.
            let hides = imported && banned.starts_with(&format!("{joined}::"));
            if layers::starts_with(path, banned) || hides {
                self.report(line, format!("`{}` must not use `{banned}`, found `{joined}`", row.layer));
            }
        }
    }

    /// The path from the crate's root, or `None` for a path outside the crate or a name in scope.
    fn resolve(&self, path: &[String]) -> Option<Vec<String>> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" | "forebay" => Some(rest.to_vec()),
            "self" => Some([&self.module[..], rest].concat()),
            "super" => {
                let ups = path.iter().take_while(|name| *name == "super").count();
                let kept = self.module.len().saturating_sub(ups);
                Some([&self.module[..kept], &path[ups..]].concat())
            }
            _ => None,
        }
    }

    fn judge_tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Group(group) => self.judge_tokens(group.stream()),
                TokenTree::Ident(word) => {
                    let line = word.span().start().line;
                    self.judge_word(&word.to_string(), line);
                    let (path, next) = path_at(&tokens, at);
                    self.judge_code_path(&path, line);
                    at = next;
                    continue;
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
            at += 1;
        }
    }

    fn judge_word(&mut self, word: &str, line: usize) {
        match word {
            "unsafe" => self.judge_unsafe(line),
            "async" | "await" => self.judge_async(line),
            _ => {}
        }
    }

    fn judge_code_path(&mut self, path: &[String], line: usize) {
        // A single name is a local one: `rand` alone may be a variable.
        if path.len() > 1 {
            self.judge(path, false, line);
        }
    }

    fn judge_async(&mut self, line: usize) {
        if let (Some(row), false) = (self.row, self.test)
            && row.sync
        {
            self.report(line, format!("async code stands in `{}`, which is sync", row.layer));
        }
    }

    fn judge_unsafe(&mut self, line: usize) {
        if self.source.module.join("::") != layers::UNSAFE_MODULE {
            self.report(line, format!("unsafe code stands outside `{}`", layers::UNSAFE_MODULE));
        }
    }

    /// Visits what `#[cfg(test)]` covers with the relaxed rules.
    fn inside(&mut self, attributes: &[Attribute], visit: impl FnOnce(&mut Self)) {
        let before = self.test;
        self.test |= is_test_only(attributes);
        visit(self);
        self.test = before;
    }
}

impl<'ast> Visit<'ast> for Checker<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        self.inside(attributes_of(item), |this| visit::visit_item(this, item));
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let line = item.span().start().line;
        let mut paths = Vec::new();
        flatten(&item.tree, &mut Vec::new(), &mut paths);
        for path in paths {
            self.judge(&path, true, line);
            let exported = matches!(item.vis, Visibility::Public(_)) && !self.test;
            if let (true, Some(target), Some(own)) = (exported, self.resolve(&path), self.module.first())
                && target.first() != Some(own)
            {
                self.report(line, format!("`{own}` re-exports `{}`", target.join("::")));
            }
        }
    }

    fn visit_path(&mut self, path: &'ast Path) {
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.judge_code_path(&names, path.span().start().line);
        visit::visit_path(self, path);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let Meta::List(list) = &attribute.meta
            && list.path.is_ident("derive")
        {
            self.judge_tokens(list.tokens.clone());
        }
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.visit_path(&call.path);
        self.judge_tokens(call.tokens.clone());
    }

    fn visit_signature(&mut self, signature: &'ast Signature) {
        let line = signature.span().start().line;
        if signature.asyncness.is_some() {
            self.judge_async(line);
        }
        if signature.unsafety.is_some() {
            self.judge_unsafe(line);
        }
        visit::visit_signature(self, signature);
    }

    fn visit_expr_async(&mut self, block: &'ast ExprAsync) {
        self.judge_async(block.span().start().line);
        visit::visit_expr_async(self, block);
    }

    fn visit_expr_await(&mut self, expression: &'ast ExprAwait) {
        self.judge_async(expression.span().start().line);
        visit::visit_expr_await(self, expression);
    }

    fn visit_expr_unsafe(&mut self, block: &'ast ExprUnsafe) {
        self.judge_unsafe(block.span().start().line);
        visit::visit_expr_unsafe(self, block);
    }

    fn visit_item_impl(&mut self, block: &'ast ItemImpl) {
        if block.unsafety.is_some() {
            self.judge_unsafe(block.span().start().line);
        }
        visit::visit_item_impl(self, block);
    }

    fn visit_item_trait(&mut self, block: &'ast ItemTrait) {
        if block.unsafety.is_some() {
            self.judge_unsafe(block.span().start().line);
        }
        visit::visit_item_trait(self, block);
    }
}

/// The path that starts at `tokens[at]`, and where what follows it stands.
fn path_at(tokens: &[TokenTree], at: usize) -> (Vec<String>, usize) {
    let colon = |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(mark)) if mark.as_char() == ':');
    let name = |at: usize| match tokens.get(at) {
        Some(TokenTree::Ident(name)) => Some(Ident::to_string(name)),
        _ => None,
    };
    let mut path = Vec::from_iter(name(at));
    let mut next = at + 1;
    while let (true, true, Some(name)) = (colon(next), colon(next + 1), name(next + 2)) {
        path.push(name);
        next += 3;
    }
    (path, next)
}

fn flatten(tree: &UseTree, prefix: &mut Vec<String>, paths: &mut Vec<Vec<String>>) {
    let mut leaf = |name: String| paths.push([&prefix[..], &[name]].concat());
    match tree {
        UseTree::Name(name) => leaf(name.ident.to_string()),
        UseTree::Rename(rename) => leaf(rename.ident.to_string()),
        UseTree::Glob(_) => leaf("*".to_owned()),
        UseTree::Group(group) => group.items.iter().for_each(|tree| flatten(tree, prefix, paths)),
        UseTree::Path(path) => {
            prefix.push(path.ident.to_string());
            flatten(&path.tree, prefix, paths);
            prefix.pop();
        }
    }
}

fn attributes_of(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
