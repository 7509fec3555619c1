//! `forebay version`.

use super::{Failure, output};
use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct VersionArgs {
    /// As one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &VersionArgs) -> Result<(), Failure> {
    let version = env!("CARGO_PKG_VERSION");
    if !args.json {
        return output::print(&format!("forebay {version}\n"));
    }
    let facts = serde_json::json!({ "name": "forebay", "version": version });
    output::print(&format!("{facts}\n"))
}
