//! Results on standard output: a table for people, JSON for programs.

use super::Failure;
use clap::{Args, ValueEnum};
use comfy_table::{Table, presets};
use serde::Serialize;
use std::io::{self, IsTerminal as _, Write};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Columns, for people
    Table,
    /// One JSON document
    Json,
    /// One JSON object a line
    Jsonl,
}

/// How results are written.
#[derive(Clone, Debug, Args)]
pub(crate) struct OutputArgs {
    /// How results are written [default: table on a terminal, else jsonl]
    #[arg(
        short,
        long,
        value_enum,
        global = true,
        value_name = "FORMAT",
        help_heading = "Output",
        hide_possible_values = false
    )]
    pub output: Option<Format>,
    /// Leave out the head of a table
    #[arg(long, global = true, help_heading = "Output")]
    pub no_header: bool,
    /// Print no notes and no progress
    #[arg(short, long, global = true, help_heading = "Output")]
    pub quiet: bool,
}

/// One result: a row of a table, an object of JSON.
pub(crate) trait Record: Serialize {
    const COLUMNS: &'static [&'static str];

    fn cells(&self) -> Vec<String>;
}

/// Writes the results of one command.
pub(crate) struct Output {
    format: Format,
    header: bool,
    quiet: bool,
    sink: Box<dyn Write>,
    /// A JSON document that `next` began and `end` closes.
    is_open: bool,
}

impl Output {
    pub(crate) fn new(args: &OutputArgs) -> Self {
        let usual = if io::stdout().is_terminal() { Format::Table } else { Format::Jsonl };
        let format = args.output.unwrap_or(usual);
        Self { format, header: !args.no_header, quiet: args.quiet, sink: Box::new(io::stdout()), is_open: false }
    }

    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Writes many results at once.
    pub(crate) fn list<R: Record>(&mut self, records: &[R]) -> Result<(), Failure> {
        match self.format {
            Format::Table => {
                let rows = records.iter().map(Record::cells);
                let head = self.header.then_some(R::COLUMNS);
                writeln!(self.sink, "{}", columns(head, rows))?;
            }
            Format::Json => {
                serde_json::to_writer_pretty(&mut self.sink, records).map_err(io::Error::from)?;
                writeln!(self.sink)?;
            }
            Format::Jsonl => {
                for record in records {
                    self.line(record)?;
                }
            }
        }
        Ok(self.sink.flush()?)
    }

    /// Writes one result; as a table its fields stand below each other.
    pub(crate) fn one<R: Record>(&mut self, record: &R) -> Result<(), Failure> {
        match self.format {
            Format::Table => {
                let pairs = R::COLUMNS.iter().zip(record.cells()).filter(|(_, cell)| !cell.is_empty());
                let rows = pairs.map(|(name, cell)| vec![(*name).to_owned(), cell]);
                writeln!(self.sink, "{}", columns(None, rows))?;
            }
            Format::Json => {
                serde_json::to_writer_pretty(&mut self.sink, record).map_err(io::Error::from)?;
                writeln!(self.sink)?;
            }
            Format::Jsonl => self.line(record)?,
        }
        Ok(self.sink.flush()?)
    }

    /// Writes one result of a sequence whose end is not known, at once; `end` follows the last.
    pub(crate) fn next<R: Record>(&mut self, record: &R) -> Result<(), Failure> {
        match self.format {
            Format::Table => writeln!(self.sink, "{}", record.cells().join("  ").trim_end())?,
            Format::Json => {
                self.sink.write_all(if self.is_open { b",\n" } else { b"[\n" })?;
                self.is_open = true;
                serde_json::to_writer(&mut self.sink, record).map_err(io::Error::from)?;
            }
            Format::Jsonl => self.line(record)?,
        }
        Ok(self.sink.flush()?)
    }

    /// Ends a sequence, which may be empty.
    pub(crate) fn end(&mut self) -> Result<(), Failure> {
        if self.format == Format::Json {
            self.sink.write_all(if self.is_open { b"\n]\n" } else { b"[]\n" })?;
            self.is_open = false;
        }
        Ok(self.sink.flush()?)
    }

    fn line<R: Record>(&mut self, record: &R) -> Result<(), Failure> {
        serde_json::to_writer(&mut self.sink, record).map_err(io::Error::from)?;
        Ok(writeln!(self.sink)?)
    }

    /// Tells a person something that is not a result.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            note(text);
        }
    }
}

/// A sequence that a failure cut short is a document all the same.
impl Drop for Output {
    fn drop(&mut self) {
        if self.is_open {
            // The failure that cut it short is what is told.
            let _ = self.end();
        }
    }
}

/// A line on standard error. Nobody can be told when that fails.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Text as it is, on standard output.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

fn columns(head: Option<&[&str]>, rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    if let Some(head) = head {
        table.set_header(head.iter().map(|name| name.replace('_', " ").to_uppercase()));
    }
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}
