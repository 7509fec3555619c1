//! Records on standard output.

use super::template::Template;
use crate::{
    cli::{
        Failure,
        output::{self, Output},
        value::show_time,
    },
    proto::stream::v1::Record,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Serialize;
use std::io::{self, Write as _};

/// How records are printed.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct PrintArgs {
    /// Print data only, as it is, each followed by a new line
    #[arg(long)]
    raw: bool,
    /// Print each record so: %s sequence number, %p shard, %t time of arrival, %k partition key, %v data; after k and v
    /// may follow {utf8}, {hex}, {base64} or {json}; \n, \t and \0 are what they are elsewhere
    #[arg(long, value_name = "TEXT", value_parser = Template::parse, conflicts_with = "raw")]
    format: Option<Template>,
}

#[derive(Serialize)]
struct RecordRow<'r> {
    shard_id: &'r str,
    sequence_number: &'r str,
    partition_key: &'r str,
    /// When it is UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'r str>,
    /// When it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    data_base64: Option<String>,
    arrival_time: String,
}

impl<'r> RecordRow<'r> {
    fn new(shard_id: &'r str, record: &'r Record) -> Self {
        let data = std::str::from_utf8(&record.data).ok();
        Self {
            shard_id,
            sequence_number: &record.sequence_number,
            partition_key: &record.partition_key,
            data_base64: data.is_none().then(|| BASE64_STANDARD.encode(&record.data)),
            data,
            arrival_time: show_time(record.arrival_time),
        }
    }
}

impl output::Record for RecordRow<'_> {
    const COLUMNS: &'static [&'static str] = &["arrived", "shard", "key", "data"];

    /// A line a record: the sequence number, which would fill it alone, is for JSON and `--format`.
    fn cells(&self) -> Vec<String> {
        let data = match (self.data, &self.data_base64) {
            (Some(text), _) => on_one_line(text),
            (None, Some(text)) => format!("base64:{text}"),
            (None, None) => String::new(),
        };
        // Of a moment the zeros at the end are left out; the columns stay below each other all the same.
        let (arrived, key) = (format!("{:24}", self.arrival_time), on_one_line(self.partition_key));
        vec![arrived, self.shard_id.to_owned(), format!("{key:16}"), data]
    }
}

/// A terminal obeys control characters, and a new line would look like another record.
fn on_one_line(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut line, letter| {
        match letter.is_control() {
            true => line.extend(letter.escape_default()),
            false => line.push(letter),
        }
        line
    })
}

/// Prints one record after another.
pub(super) struct Printer {
    output: Output,
    template: Option<Template>,
    line: Vec<u8>,
}

impl Printer {
    pub(super) fn new(output: Output, args: PrintArgs) -> Self {
        let raw = args.raw.then(Template::raw);
        Self { output, template: args.format.or(raw), line: Vec::new() }
    }

    /// Tells a person something that is no record.
    pub(super) fn note(&self, text: &str) {
        self.output.note(text);
    }

    pub(super) fn print(&mut self, shard: &str, record: &Record) -> Result<(), Failure> {
        let Some(template) = &self.template else { return self.output.next(&RecordRow::new(shard, record)) };
        self.line.clear();
        template.write(shard, record, &mut self.line);
        let mut out = io::stdout().lock();
        out.write_all(&self.line)?;
        Ok(out.flush()?)
    }

    /// After the last record.
    pub(super) fn end(&mut self) -> Result<(), Failure> {
        if self.template.is_some() { Ok(()) } else { self.output.end() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::Record as _;

    #[test]
    fn a_record_is_one_line_for_people_and_whole_for_programs() {
        let record = Record { data: "a\nb\u{1b}[1m".into(), partition_key: "k\t".into(), ..Record::default() };
        let row = RecordRow::new("shardId-1", &record);
        assert_eq!(row.cells(), [" ".repeat(24).as_str(), "shardId-1", "k\\t             ", "a\\nb\\u{1b}[1m"]);
        assert_eq!(serde_json::to_value(&row).expect("JSON")["data"], "a\nb\u{1b}[1m");
        let binary = Record { data: b"\xff".to_vec().into(), ..Record::default() };
        let row = RecordRow::new("shardId-1", &binary);
        assert_eq!((row.data, row.data_base64.as_deref()), (None, Some("/w==")));
    }
}
