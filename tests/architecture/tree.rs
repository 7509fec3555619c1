//! The crate's module tree, followed from `lib.rs` and `main.rs` through every `mod` item.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};
use syn::{Attribute, Expr, ExprLit, Item, Lit, Meta};

/// One parsed file.
#[derive(Debug)]
pub struct Source {
    /// Its path from the repository's root.
    pub path: String,
    /// The module it is, from the crate's root; empty for `lib.rs`.
    pub module: Vec<String>,
    /// Only compiled for tests.
    pub test: bool,
    pub ast: syn::File,
}

/// Every file of the crate, and the files that no module declares.
#[derive(Debug, Default)]
pub struct Tree {
    pub sources: Vec<Source>,
    pub orphans: Vec<String>,
}

impl Source {
    pub fn from_snippet(module: &str, code: &str) -> Self {
        Self::from_snippet_in("snippet.rs", module, code)
    }

    pub fn from_snippet_in(path: &str, module: &str, code: &str) -> Self {
        let module = module.split("::").map(str::to_owned).collect();
        Self { path: path.to_owned(), module, test: false, ast: syn::parse_file(code).unwrap() }
    }
}

/// Reads the crate whose sources are in `src`.
pub fn load(src: &Path) -> Tree {
    let mut tree = Tree::default();
    let mut seen = BTreeSet::new();
    for (root, module) in [("lib.rs", vec![]), ("main.rs", vec!["main".to_owned()])] {
        visit(src, &src.join(root), module, false, &mut tree, &mut seen);
    }
    walk(src, &mut |path| {
        if !seen.contains(path) {
            tree.orphans.push(format!("{}: no module declares this file", path.display()));
        }
    });
    tree
}

/// Calls `found` for every Rust file below `folder`, in order of their names.
pub fn walk(folder: &Path, found: &mut dyn FnMut(&Path)) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && name != "node_modules" && !name.starts_with('.') {
            walk(&path, found);
        } else if name.ends_with(".rs") {
            found(&path);
        }
    }
}

/// Whether the attributes say "only for tests".
pub fn is_test_only(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let Meta::List(list) = &attribute.meta else { return attribute.path().is_ident("test") };
        let words = list.tokens.to_string();
        list.path.is_ident("cfg")
            && (words == "test" || words.starts_with("all (test") || words.starts_with("all(test"))
    })
}

fn visit(src: &Path, file: &Path, module: Vec<String>, test: bool, tree: &mut Tree, seen: &mut BTreeSet<PathBuf>) {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let ast = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    seen.insert(file.to_owned());
    let folder = folder_of_children(file);
    let mut children = Vec::new();
    collect_children(&ast.items, file, &folder, &module, test, &mut children);
    let path = file.strip_prefix(src.parent().unwrap()).unwrap().to_string_lossy().into_owned();
    tree.sources.push(Source { path, module, test, ast });
    for child in children {
        visit(src, &child.file, child.module, child.test, tree, seen);
    }
}

struct Child {
    file: PathBuf,
    module: Vec<String>,
    test: bool,
}

fn collect_children(items: &[Item], file: &Path, folder: &Path, parent: &[String], test: bool, into: &mut Vec<Child>) {
    for item in items {
        let Item::Mod(declared) = item else { continue };
        let name = declared.ident.to_string();
        let mut module = parent.to_vec();
        module.push(name.clone());
        let test = test || is_test_only(&declared.attrs);
        if let Some((_, inner)) = &declared.content {
            collect_children(inner, file, &folder.join(&name), &module, test, into);
        } else {
            let file = path_attribute(&declared.attrs)
                .map(|path| file.parent().unwrap().join(path))
                .unwrap_or_else(|| file_of(folder, &name));
            into.push(Child { file, module, test });
        }
    }
}

fn folder_of_children(file: &Path) -> PathBuf {
    let folder = file.parent().unwrap();
    match file.file_stem().unwrap().to_str().unwrap() {
        "lib" | "main" | "mod" => folder.to_owned(),
        stem => folder.join(stem),
    }
}

fn file_of(folder: &Path, name: &str) -> PathBuf {
    let plain = folder.join(format!("{name}.rs"));
    if plain.exists() { plain } else { folder.join(name).join("mod.rs") }
}

fn path_attribute(attributes: &[Attribute]) -> Option<String> {
    attributes.iter().find_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(path), .. }) => Some(path.value()),
            _ => None,
        },
        _ => None,
    })
}
