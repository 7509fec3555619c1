//! Holds the layers: who may use whom, what a layer must not contain, and how long a file or a function may grow.
//!
//! The table is in `architecture/layers.rs`, what is listed as too long in `architecture/sizes.rs`. The second half of
//! this file shows on small snippets that each rule can fail.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]
#![allow(clippy::wildcard_enum_match_arm, reason = "syn's enums are open: most kinds of items are of no interest here")]
#![allow(unreachable_pub, reason = "the modules of a test have no other reader")]

#[path = "architecture/layers.rs"]
mod layers;
#[path = "architecture/rules.rs"]
mod rules;
#[path = "architecture/sizes.rs"]
mod sizes;
#[path = "architecture/tree.rs"]
mod tree;

use std::path::Path;
use tree::Source;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn fail_on(violations: &[String]) {
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

#[test]
fn every_layer_uses_only_what_its_row_allows() {
    let tree = tree::load(&repository().join("src"));
    fail_on(&tree.sources.iter().flat_map(rules::check).collect::<Vec<_>>());
}

#[test]
fn every_source_file_is_a_module() {
    fail_on(&tree::load(&repository().join("src")).orphans);
}

#[test]
fn every_file_says_first_what_it_is() {
    fail_on(&rust_files().iter().filter_map(|(path, text)| sizes::check_header(path, text)).collect::<Vec<_>>());
}

#[test]
fn no_file_and_no_function_grows_unnoticed() {
    fail_on(&sizes::check(&rust_files()));
}

#[test]
fn module_roots_hold_no_logic() {
    fail_on(&tree::load(&repository().join("src")).sources.iter().flat_map(rules::check_root).collect::<Vec<_>>());
}

/// Every Rust file of the project with its path from the repository's root.
fn rust_files() -> Vec<(String, String)> {
    let mut files = Vec::new();
    for folder in ["src", "tests", "benches", "fuzz"] {
        tree::walk(&repository().join(folder), &mut |path| {
            let name = path.strip_prefix(repository()).unwrap().to_string_lossy().into_owned();
            files.push((name, std::fs::read_to_string(path).unwrap()));
        });
    }
    files
}

/// What the rules say about `code` standing in the module `module`.
fn violations(module: &str, code: &str) -> Vec<String> {
    rules::check(&Source::from_snippet(module, code))
}

#[track_caller]
fn refused(module: &str, code: &str, because: &str) {
    let found = violations(module, code);
    assert!(found.iter().any(|line| line.contains(because)), "{module}: `{code}` gave {found:?}, not `{because}`");
}

#[track_caller]
fn accepted(module: &str, code: &str) {
    assert_eq!(violations(module, code), Vec::<String>::new(), "{module}: `{code}`");
}

#[test]
fn a_use_of_a_layer_above_is_refused() {
    refused("domain::queue", "use crate::engine::Engine;", "`domain` must not use `engine`");
    refused("engine::partition", "use crate::{base::id, protocol::grpc::Server};", "must not use `protocol::grpc`");
    refused("storage::log", "use crate::domain::queue::Event;", "must not use `domain`");
    accepted("engine::partition", "use crate::{base::id, domain::queue::Event, storage::log::LogStore};");
}

#[test]
fn a_qualified_path_counts_like_a_use() {
    refused("service::send", "fn f() { crate::storage::open(); }", "`service` must not use `storage`");
    refused("base::id", "fn f(_: crate::domain::queue::Queue) {}", "`base` must not use `domain`");
    refused("domain", "fn f() { super::runtime::run(); }", "`domain` must not use `runtime`");
}

#[test]
fn a_path_inside_a_macro_counts_too() {
    refused("domain::queue", "fn f() { assert!(crate::engine::ready()); }", "must not use `engine`");
    refused("domain::queue", "fn f() { debug_assert!({ tokio::spawn(x); true }); }", "`tokio`");
}

#[test]
fn super_is_resolved_to_the_module_it_means() {
    accepted("domain::queue::receive", "use super::event::Event; use super::super::topic::Topic;");
    refused("domain::queue::receive", "use super::super::super::engine::Engine;", "must not use `engine`");
    refused("domain::queue", "mod inner { use super::super::super::sink::Sink; }", "must not use `sink`");
}

#[test]
fn protocols_do_not_know_each_other() {
    refused("protocol::grpc::queue", "use crate::protocol::aws::sqs;", "must not use `protocol::aws`");
    refused("protocol::aws::sqs", "use super::super::grpc::errors;", "must not use `protocol::grpc`");
    accepted("protocol::grpc::queue", "use crate::service::send::Send; use crate::proto::queue::v1 as wire;");
}

#[test]
fn a_layer_without_a_row_is_refused() {
    refused("helpers::things", "fn f() {}", "has no row");
    refused("engine::partition", "use crate::helpers::things;", "has no row");
}

#[test]
fn a_hidden_import_of_everything_is_refused() {
    refused("domain::queue", "use crate::*;", "names the crate's root");
    refused("domain", "use super::*;", "names the crate's root");
    refused("engine::partition", "use crate as forebay;", "names the crate's root");
}

#[test]
fn another_layer_is_not_re_exported() {
    refused("service::send", "pub use crate::domain::queue::Event;", "re-exports");
    accepted("service::send", "pub use self::request::Request; use crate::domain::queue::Event;");
}

#[test]
fn pure_layers_read_no_clock() {
    refused("domain::queue", "fn f() { let now = std::time::SystemTime::now(); }", "`std::time::SystemTime`");
    refused("base::time", "use std::{fmt, time::Instant};", "`std::time::Instant`");
    refused("domain::queue", "use std::time;", "`std::time`");
    refused("domain::queue", "use std::time::*;", "`std::time`");
    accepted("domain::queue", "use std::{fmt, time::Duration};");
}

#[test]
fn pure_layers_do_no_io_and_draw_no_random_number() {
    refused("domain::queue", "use std::fs::File;", "`std::fs`");
    refused("domain::queue", "fn f() { ::std::net::TcpStream::connect(a); }", "`std::net`");
    refused("domain::queue", "fn f() { getrandom::fill(b); }", "`getrandom`");
    refused("domain::queue", "fn f() { tracing::info!(\"x\"); }", "`tracing`");
    refused("base::id", "use serde::Serialize;", "`serde`");
    refused("base::id", "#[derive(serde::Serialize)] struct Id(u64);", "`serde`");
}

#[test]
fn sync_layers_are_sync() {
    refused("domain::queue", "async fn f() {}", "async");
    refused("base::id", "fn f() { let g = async { 1 }; }", "async");
    refused("storage::log", "trait T { async fn f(&self); }", "async");
    refused("storage::log", "use tokio::sync::mpsc;", "`tokio`");
    accepted("service::send", "async fn f() { g().await }");
}

#[test]
fn files_are_opened_only_in_the_io_adapter() {
    refused("storage::log::segment", "use std::fs::File;", "`std::fs`");
    refused("engine::catalog", "fn f() { std::fs::read(p); }", "`std::fs`");
    accepted("storage::io::disk", "use std::fs::File;");
}

#[test]
fn unsafe_stands_only_in_the_memory_map() {
    refused("storage::log::segment", "fn f() { unsafe { g() } }", "unsafe");
    refused("engine::partition", "unsafe impl Send for X {}", "unsafe");
    refused("runtime", "#[cfg(test)] mod tests { unsafe fn f() {} }", "unsafe");
    accepted("storage::io::map", "fn f() { unsafe { g() } }");
}

#[test]
fn services_know_no_wire_format() {
    refused("service::send", "use serde::Serialize;", "`serde`");
    refused("service::send", "fn f(m: prost_types::Duration) {}", "`prost_types`");
    refused("engine::partition", "use tonic::Status;", "`tonic`");
}

#[test]
fn test_code_may_use_what_it_needs() {
    accepted("domain::queue", "#[cfg(test)] mod tests { use std::fs; use crate::runtime::Runtime; async fn f() {} }");
    accepted("domain::queue", "#[cfg(test)] use crate::runtime::Runtime;");
    refused("domain::queue", "#[cfg(not(test))] use crate::runtime::Runtime;", "must not use `runtime`");
}

#[test]
fn logic_in_a_module_root_is_refused() {
    let check = |code: &str| rules::check_root(&Source::from_snippet_in("src/domain/mod.rs", "domain", code));
    assert_eq!(check("pub mod queue; pub use queue::Queue; pub trait T { fn f(&self); } const N: u32 = 1;"), [""; 0]);
    assert_eq!(check("#[cfg(test)] mod tests { fn f() {} }"), [""; 0]);
    assert!(check("fn f() {}")[0].contains("logic"));
    assert!(check("struct S; impl S { fn f() {} }")[0].contains("logic"));
    assert!(check("trait T { fn f(&self) {} }")[0].contains("logic"));
    assert!(check("mod inner { fn f() {} }")[0].contains("logic"));
}

#[test]
fn long_files_and_functions_are_found() {
    let long_function = format!("//! X.\nfn long() {{\n{}}}\n", "    g();\n".repeat(sizes::FUNCTION_LINES_MAX - 1));
    let found = sizes::check_sizes("src/a.rs", &long_function);
    assert_eq!(found.len(), 1);
    assert!(found[0].0.ends_with("src/a.rs::long"), "{found:?}");

    let short_function = format!("//! X.\nfn short() {{\n{}}}\n", "    g();\n".repeat(sizes::FUNCTION_LINES_MAX - 2));
    assert!(sizes::check_sizes("src/a.rs", &short_function).is_empty());

    let long_file = format!("//! X.\n{}", "// y\n".repeat(sizes::FILE_LINES_MAX));
    assert_eq!(sizes::check_sizes("src/a.rs", &long_file)[0].0, "src/a.rs");
    assert!(sizes::check_sizes("src/a.rs", &long_file[.."//! X.\n// y\n".len()]).is_empty());
}

#[test]
fn a_method_is_named_with_its_type() {
    let body = "    g();\n".repeat(sizes::FUNCTION_LINES_MAX);
    let found = sizes::check_sizes("src/a.rs", &format!("impl<T> Log<T> {{\nfn append() {{\n{body}}}\n}}\n"));
    assert_eq!(found[0].0, "src/a.rs::Log::append");
}

#[test]
fn a_file_without_a_first_line_about_itself_is_found() {
    assert!(sizes::check_header("src/a.rs", "use std::fmt;\n").is_some());
    assert!(sizes::check_header("src/a.rs", "//!\n").is_some());
    assert!(sizes::check_header("src/a.rs", "//! What it is.\n").is_none());
}

#[test]
fn a_listed_length_that_shrank_must_leave_the_list() {
    let listed = [("src/a.rs", "a table")];
    assert_eq!(sizes::compare(&[], &listed).len(), 1);
    assert_eq!(sizes::compare(&[("src/a.rs".to_owned(), 700)], &listed).len(), 0);
    assert_eq!(sizes::compare(&[("src/b.rs".to_owned(), 700)], &[]).len(), 1);
}
