//! The configuration file with its explanations, as `forebay config init` prints it.

use super::{Key, SECTIONS};
use std::fmt::Write as _;

const HEAD: &str = "\
# forebay.toml
#
# Later wins: built-in default < this file < FOREBAY__SECTION__KEY in the environment < flags (--set section.key=value).
# Every value shown is the default. `forebay config check` reads a file without starting anything.
";

/// Keys that most installations set.
const COMMON: [&str; 5] =
    ["server.data_dir", "server.drain_timeout", "listen.api.address", "listen.api.insecure", "log.filter"];

/// Every key.
pub fn full() -> String {
    render(|_| true)
}

/// The keys that most installations set.
pub fn common() -> String {
    render(|key| COMMON.contains(&key.name))
}

fn render(wanted: impl Fn(&Key) -> bool) -> String {
    let mut out = HEAD.to_owned();
    for section in SECTIONS {
        let keys: Vec<_> = section.keys.iter().filter(|key| wanted(key)).collect();
        if keys.is_empty() {
            continue;
        }
        out.push('\n');
        comment(&mut out, section.doc);
        writeln!(out, "[{}]", section.name).expect("writing to a String cannot fail");
        for key in keys {
            entry(&mut out, key);
        }
    }
    out
}

fn entry(out: &mut String, key: &Key) {
    comment(out, key.doc);
    let mut facts = Vec::new();
    if let Some((low, high)) = key.range {
        facts.push(format!("{low} to {high}"));
    }
    if key.reloadable {
        facts.push("reloadable".to_owned());
    }
    if !facts.is_empty() {
        comment(out, &format!("({})", facts.join("; ")));
    }
    writeln!(out, "{} = {}", key.short(), key.quote(key.default)).expect("writing to a String cannot fail");
}

fn comment(out: &mut String, doc: &str) {
    for line in doc.lines() {
        writeln!(out, "# {}", line.trim()).expect("writing to a String cannot fail");
    }
}
