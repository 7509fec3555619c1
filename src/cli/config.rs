//! `forebay config`: reads the configuration as `serve` would, without starting anything.

use super::{
    Failure,
    output::{self, Output, OutputArgs, Record},
};
use crate::config::{self, Loaded, Sources, Value};
use clap::{Args, Subcommand};
use serde::Serialize;
use std::path::PathBuf;

/// Where the configuration comes from.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ConfigArgs {
    /// The file to read [default: /etc/forebay/forebay.toml if it exists]
    #[arg(long, value_name = "FILE", env = "FOREBAY_CONFIG", hide_env_values = true)]
    pub config: Option<PathBuf>,
    /// Where everything lives that must survive a restart (server.data_dir)
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<String>,
    /// Address and port for clients (listen.api.address)
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// Set any key; may be repeated
    #[arg(long, value_name = "SECTION.KEY=VALUE")]
    pub set: Vec<String>,
}

impl ConfigArgs {
    /// Everything that may set a key, in order.
    pub(crate) fn sources(&self) -> Result<Sources, Failure> {
        let mut sources =
            Sources { file: self.config.clone(), environment: std::env::vars_os().collect(), ..Sources::default() };
        if let Some(dir) = &self.data_dir {
            sources.flag("server.data_dir", dir.clone(), "--data-dir");
        }
        if let Some(address) = &self.listen {
            sources.flag("listen.api.address", address.clone(), "--listen");
        }
        for assignment in &self.set {
            sources.set(assignment).map_err(Failure::usage)?;
        }
        Ok(sources)
    }

    pub(crate) fn load(&self) -> Result<Loaded, Failure> {
        Ok(self.sources()?.load()?)
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Read everything as serve would, and say what is wrong
    Check {
        #[command(flatten)]
        config: ConfigArgs,
        /// Say nothing when all is well
        #[arg(short, long)]
        quiet: bool,
    },
    /// Print every value in force
    Show {
        #[command(flatten)]
        config: ConfigArgs,
        /// Also print who set each value
        #[arg(long)]
        origin: bool,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Print a file with explanations to begin from
    Init {
        /// Every key, not only the common ones
        #[arg(long)]
        full: bool,
    },
}

pub(crate) fn run(command: ConfigCommand) -> Result<(), Failure> {
    match command {
        ConfigCommand::Check { config, quiet } => {
            let loaded = config.load()?;
            if !quiet {
                let set = loaded.values().filter(|value| value.origin != config::Origin::Default).count();
                output::note(&format!("the configuration is valid; {set} values differ from built-in"));
            }
            Ok(())
        }
        ConfigCommand::Show { config, origin, output } => show(&config.load()?, origin, &output),
        ConfigCommand::Init { full } => output::print(&if full { config::full() } else { config::common() }),
    }
}

fn show(loaded: &Loaded, origin: bool, args: &OutputArgs) -> Result<(), Failure> {
    let mut output = Output::new(args);
    if origin {
        let rows: Vec<_> = loaded.values().map(Row::new).collect();
        return output.list(&rows);
    }
    let rows: Vec<_> = loaded.values().map(Row::new).map(ShortRow::from).collect();
    output.list(&rows)
}

#[derive(Serialize)]
struct Row {
    key: &'static str,
    value: String,
    origin: String,
    reloadable: bool,
}

impl Row {
    fn new(value: &Value) -> Self {
        Self {
            key: value.key.name,
            value: value.text.clone(),
            origin: value.origin.to_string(),
            reloadable: value.key.reloadable,
        }
    }
}

impl Record for Row {
    const COLUMNS: &'static [&'static str] = &["key", "value", "origin", "reloadable"];

    fn cells(&self) -> Vec<String> {
        let reloadable = if self.reloadable { "yes" } else { "" };
        vec![self.key.to_owned(), self.value.clone(), self.origin.clone(), reloadable.to_owned()]
    }
}

#[derive(Serialize)]
struct ShortRow {
    key: &'static str,
    value: String,
}

impl From<Row> for ShortRow {
    fn from(row: Row) -> Self {
        Self { key: row.key, value: row.value }
    }
}

impl Record for ShortRow {
    const COLUMNS: &'static [&'static str] = &["key", "value"];

    fn cells(&self) -> Vec<String> {
        vec![self.key.to_owned(), self.value.clone()]
    }
}
